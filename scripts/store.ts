/** The cloud server's store from outside: `npm run store -- backup|restore|export|unseal` */

import { Option } from "commander";
import { hostCrypto } from "#hal/crypto.js";
import { StartupError } from "../cloud/errors.js";
import { allReadings, EXPORT_FORMATS, EXPORT_NAMES, type ExportName, exported } from "../cloud/export.js";
import { type ReadingJson, readingJson } from "../cloud/model.js";
import { backupStore, makeBackupFile, restoreStore } from "../cloud/store/backup.js";
import { openDataDirectory, readDataDirectory, readStoreKeyFile } from "../cloud/store/datadir.js";
import { openPostgres } from "../cloud/store/postgres.js";
import { restoreToPostgres } from "../cloud/store/postgres-backup.js";
import { openSqlite } from "../cloud/store/sqlite.js";
import type { Snapshot, Store } from "../cloud/store/store.js";
import { unseal } from "../cloud/unseal.js";
import { Vault } from "../cloud/vault.js";
import { fail, newCommand } from "./cli.js";

interface ReadOptions {
  data: string;
  node?: string;
  format: ExportName;
}

const program = newCommand(
  "npm run store --",
  "Looks after the store of the cloud server: a server may be running, except for restore.\n\n" +
    "Environment: DATA_DIR, STORE_KEY; DATABASE_URL where the store is in PostgreSQL. A backup of either can be\n" +
    "restored to either.",
);
const databaseUrl = process.env.DATABASE_URL || undefined;
const data = () =>
  new Option("--data <directory>", "the server's data directory").env("DATA_DIR").default("./data");
const node = () => new Option("--node <name>", "only readings of this node");
const format = () =>
  new Option("--format <format>", "form of the readings").choices(EXPORT_NAMES).default("csv");

program
  .command("backup")
  .description("copies the store to a new file, whole and consistent; it is of use only with store.key")
  .argument("<file>")
  .addOption(data())
  .action(async (file: string, options: { data: string }) => {
    if (databaseUrl === undefined) await backupStore(readDataDirectory(options.data).storeFile, file);
    else {
      const store = await openPostgres({ url: databaseUrl, readonly: true });
      try {
        makeBackupFile(file);
        await store.backup(file);
      } finally {
        await store.close();
      }
    }
    console.log(
      `${file} is a copy of the store. Keep store.key too, elsewhere: it opens the nodes' keys in it.`,
    );
  });

program
  .command("restore")
  .description("puts a backup into the place of the store; the former one is kept beside it")
  .argument("<file>")
  .addOption(data())
  .action(async (file: string, options: { data: string }) => {
    const directory = openDataDirectory(options.data, {
      storeKey: process.env.STORE_KEY,
      database: databaseUrl === undefined ? undefined : { holdsKeys: true },
    });
    try {
      const former =
        databaseUrl === undefined
          ? restoreStore(file, directory.storeFile)
          : await restoreToPostgres(databaseUrl, file, directory.storeFile);
      console.log(
        `The store is the one of ${file}.${former === undefined ? "" : ` The former one is ${former}.`}`,
      );
      console.log("Each node will have to prove once that its messages are fresh: one more round trip.");
    } finally {
      directory.release();
    }
  });

program
  .command("export")
  .description("writes all readings to stdout")
  .addOption(data())
  .addOption(node())
  .addOption(format())
  .action((options: ReadOptions) =>
    withStore(options, async (store, name, id) => {
      const pages = allReadings(store, id === undefined ? {} : { node: id });
      await write(
        options.format,
        json(pages, (reading) => readingJson(reading, name)),
      );
    }),
  );

program
  .command("unseal")
  .description("opens messages that were kept as received, and writes their readings to stdout")
  .addOption(data())
  .addOption(node())
  .addOption(format())
  .action((options: ReadOptions) =>
    withStore(options, async (store, name, id) => {
      const key = process.env.STORE_KEY ?? readStoreKeyFile(options.data);
      if (key === undefined)
        fail("the key of the store is missing: bring back store.key, or give it in STORE_KEY");
      const vault = new Vault(new Uint8Array(Buffer.from(key, "hex")));
      const refusals = new Map<string, number>();
      async function* pages(): AsyncGenerator<ReadingJson[]> {
        for await (const { readings, refusal } of unseal(store, vault, hostCrypto, name, id)) {
          if (refusal === undefined) yield [...readings];
          else refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
        }
      }
      await write(options.format, pages());
      for (const [refusal, count] of refusals) console.error(`${count} not opened: ${refusal}`);
      if (refusals.size > 0) process.exitCode = 1;
    }),
  );

async function withStore(
  { data: directory, node: wanted }: ReadOptions,
  use: (store: Store, name: (id: number) => string | undefined, node: number | undefined) => Promise<void>,
): Promise<void> {
  const store =
    databaseUrl === undefined
      ? openSqlite({ file: readDataDirectory(directory).storeFile, readonly: true })
      : await openPostgres({ url: databaseUrl, readonly: true });
  try {
    const names = namesOf(await store.load());
    const id = [...names].find(([, name]) => name === wanted)?.[0];
    if (wanted !== undefined && id === undefined) throw new StartupError(`no node "${wanted}" in this store`);
    await use(store, (number) => names.get(number), id);
  } finally {
    await store.close();
  }
}

function namesOf({ nodes, former }: Snapshot): Map<number, string> {
  return new Map([...nodes, ...former].map(({ id, name }) => [id, name]));
}

async function* json<From>(
  pages: AsyncIterable<readonly From[]>,
  map: (one: From) => ReadingJson,
): AsyncGenerator<ReadingJson[]> {
  for await (const page of pages) yield page.map(map);
}

async function write(name: ExportName, pages: AsyncIterable<readonly ReadingJson[]>): Promise<void> {
  for await (const text of exported(EXPORT_FORMATS[name], pages)) {
    if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof StartupError)) throw error;
  fail(error.message);
}
