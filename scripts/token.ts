/** Tokens of the cloud server's API: `npm run token -- add|list|remove` */

import { existsSync } from "node:fs";
import { Option } from "commander";
import { ROLES, type Role, TokenFile } from "../cloud/access.js";
import { StartupError } from "../cloud/errors.js";
import { tokenFileOf } from "../cloud/store/datadir.js";
import { fail, newCommand } from "./cli.js";

const program = newCommand(
  "npm run token --",
  "Tokens for clients of the server's API. A running server knows of a change at once; only hashes are kept.\n\n" +
    "Roles: viewer looks; operator also talks to nodes; admin also registers and removes them.\nEnvironment: DATA_DIR.",
);
const data = () =>
  new Option("--data <directory>", "the server's data directory").env("DATA_DIR").default("./data");

function tokens(directory: string): TokenFile {
  if (!existsSync(directory)) throw new StartupError(`there is no ${directory}: name it with --data DIR`);
  return new TokenFile(tokenFileOf(directory));
}

program
  .command("add")
  .description("makes a token and prints it, once")
  .argument("<name>", "whose it is")
  .addOption(new Option("--role <role>", "what it is good for").choices(ROLES).default("viewer"))
  .addOption(data())
  .action((name: string, { role, data: directory }: { role: Role; data: string }) => {
    const token = tokens(directory).add(name, role, new Date());
    console.error(`The token of ${name} (${role}); it is not kept and cannot be shown again:`);
    console.log(token);
  });

program
  .command("list")
  .description("names, roles and times of the tokens")
  .addOption(data())
  .action(({ data: directory }: { data: string }) => {
    for (const { name, role, created } of tokens(directory).list()) {
      console.log(`${name}\t${role}\t${created}`);
    }
  });

program
  .command("remove")
  .description("takes a token back")
  .argument("<name>")
  .addOption(data())
  .action((name: string, { data: directory }: { data: string }) => {
    tokens(directory).remove(name);
    console.log(`The token of ${name} is no longer valid.`);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof StartupError)) throw error;
  fail(error.message);
}
