import { spawnSync } from "node:child_process";

/**
 * Skips the test where there is no tshark, and says so; on CI it has to be there.
 * @throws Error on CI without tshark
 */
export function needTshark(test: Mocha.Context): void {
  if (spawnSync("tshark", ["--version"]).status === 0) return;
  if (process.env.CI === "true") throw new Error("tshark is not installed: apt-get install tshark");
  console.log("      skipped: no tshark here (apt-get install tshark)");
  test.skip();
}

/** What tshark prints about a capture, line by line, with the keys in `profile`. */
export function tshark(profile: string, file: string, ...args: string[]): string[] {
  const { status, stdout, stderr } = spawnSync("tshark", ["-2", "-r", file, ...args], {
    encoding: "utf8",
    env: { ...process.env, WIRESHARK_CONFIG_DIR: profile },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`tshark ended with ${status}: ${stderr}`);
  return stdout.split("\n").slice(0, -1);
}

/** The named fields of each packet that `filter` lets through; several values of a field are joined by commas. */
export function fields<Name extends string>(
  profile: string,
  file: string,
  filter: string,
  names: readonly Name[],
): Record<Name, string>[] {
  const columns = names.flatMap((name) => ["-e", name]);
  return tshark(profile, file, "-Y", filter, "-T", "fields", ...columns).map((line) => {
    const values = line.split("\t");
    return Object.fromEntries(names.map((name, i) => [name, values[i] ?? ""])) as Record<Name, string>;
  });
}
