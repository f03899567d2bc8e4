/**
 * Stands in for XS's linker in a board build (manifests/nrf52.mk): calls it with one module more, which takes away what
 * the image cannot ask of the built-in objects, and makes what it wrote smaller.
 *
 * XS keeps a slot for every built-in function, of 16 bytes of flash, called or not, and links those whose name appears
 * anywhere: after the names of our properties were made XS's own, that would be most of them.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import { InstructionSet } from "./byte-code.js";
import { stringsOf } from "./keys.js";
import { shorten } from "./shorten.js";
import { literal, mergeSlots } from "./slots.js";

const DIET = "diet";

/** What XS's own C code asks of objects by name, and what running JavaScript asks without saying the name. */
const ALWAYS =
  "constructor prototype length name message stack cause next return throw then resolve reject toString valueOf join values " +
  "entries set now random irandom description get has add isFrozen byteLength byteOffset buffer";

/** Names in a compiled module. */
function symbolsOf(xsb: Buffer): string[] {
  for (let at = 8; at + 8 <= xsb.length; at += xsb.readUInt32BE(at)) {
    if (xsb.toString("latin1", at + 4, at + 8) !== "SYMB") continue;
    return xsb
      .subarray(at + 10, at + xsb.readUInt32BE(at))
      .toString("utf8")
      .split("\0");
  }
  return [];
}

/**
 * What the image's code may ask for. A shrunk module says it beside its source, others by their symbols.
 * @param folder where the compiled modules (.xsb) are, by their keys
 */
function namesUsed(folder: string, modules: readonly string[], sources: string): Set<string> {
  const names = new Set(ALWAYS.split(" ").flatMap((name) => [name, `.${name}`]));
  for (const module of modules) {
    const beside = join(sources, `${relative(folder, module).replace(/\.xsb$/, "")}.js.names`);
    if (existsSync(beside)) for (const name of readFileSync(beside, "utf8").split("\n")) names.add(name);
    else for (const name of symbolsOf(readFileSync(module))) names.add(name).add(`.${name}`);
  }
  return names;
}

/** What XS's linker can leave out as a whole, given by `-s`, when nobody says its name. */
const CLASSES =
  "Atomics BigInt BigInt64Array BigUint64Array Compartment DataView Date FinalizationRegistry Float16Array Float32Array " +
  "Float64Array Generator Int8Array Int16Array Int32Array JSON Map Math ModuleSource Promise Proxy Reflect RegExp " +
  "RegExp.prototype.exec Set " +
  "SharedArrayBuffer Uint8ClampedArray Uint16Array Uint32Array WeakMap WeakRef WeakSet eval";

/** Runs in the linker before any other module, and leaves nothing of itself. */
function dietSource(names: ReadonlySet<string>): string {
  return `{
  const keep = new Set(${JSON.stringify([...names].sort())});
  const seen = new Set();
  const objects = [];
  const names = [];
  const owners = new Map([[Object.getPrototypeOf(Uint8Array), "TypedArray"]]);
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const it = globalThis[name];
    if (typeof it === "function" || it === Math || it === JSON) owners.set(it, name);
  }
  const diet = (it, all = false) => {
    if ((typeof it !== "object" && typeof it !== "function") || it === null || seen.has(it)) return;
    seen.add(it);
    const owner = owners.get(it);
    const kept = (name) => keep.has(owner === undefined ? name : "." + name) || keep.has(owner + "." + name);
    for (const name of Object.getOwnPropertyNames(it)) {
      const { value, configurable } = Object.getOwnPropertyDescriptor(it, name);
      if (it === globalThis || !configurable || (kept(name) && !all) || name === "constructor") diet(value);
      else names[objects.push(it) - 1] = name;
    }
    diet(Object.getPrototypeOf(it));
  };
  // Its prototype is that of all iterators, its methods are its own: we write to ES2022, which has none.
  if (!keep.has("Iterator")) {
    diet(Iterator.prototype, true);
    diet(Iterator, true);
    for (const it of [[].values().map((it) => it), Iterator.from({ next() {} })]) diet(Object.getPrototypeOf(it), true);
  }
  for (const it of [globalThis, [].values(), ""[Symbol.iterator](), new Map().entries(), new Set().values()]) diet(it);
  // Only then, since this needs them itself.
  for (let i = 0; i < names.length; i++) delete objects[i][names[i]];
}
`;
}

/** `Object.freeze` is what Moddable's `mc/config` asks when it is preloaded, and then nobody any more. */
function withoutFreeze(c: string): string {
  return c.replace("{ fx_Object_freeze, 1, xsID_freeze }", "{ fxDeadStrip, 1, xsID_freeze }");
}

/** Callbacks that no slot names any more, so that the C linker can drop them; the others move up. */
export function pruneBuilders(c: string): string {
  const table = /static const xsHostBuilder gxBuilders\[\d+\] = \{\n([\s\S]*?)\};\n/.exec(c);
  if (table === null) throw new Error("the linker's output has no table of built-in functions");
  const rows = table[1]!.trimEnd().split("\n");
  const places = new Map<number, number>();
  const pruned = c.replaceAll(/&gxBuilders\[(\d+)\]/g, (_all, index: string) => {
    const place = places.get(Number(index)) ?? places.size;
    places.set(Number(index), place);
    return `&gxBuilders[${place}]`;
  });
  const kept = [...places.keys()].map((index) => rows[index]!);
  return pruned
    .replace(
      /static const xsHostBuilder gxBuilders\[\d+\];\n/,
      `static const xsHostBuilder gxBuilders[${kept.length}];\n`,
    )
    .replace(
      /static const xsHostBuilder gxBuilders\[\d+\] = \{\n[\s\S]*?\};\n/,
      `static const xsHostBuilder gxBuilders[${kept.length}] = {\n${kept.join("\n")}\n};\n`,
    );
}

/** Preloaded byte code, in a smaller form. */
export function shortenCode(c: string, set: InstructionSet): string {
  return c.replaceAll(
    /(XS_CODE_X_KIND\}, \.value = \{ \.code = \{ \(txByte\*\)")((?:\\x..)+)"/g,
    (_all, before: string, text: string) =>
      `${before}${literal(shorten(Buffer.from(text.replaceAll("\\x", ""), "hex"), set))}"`,
  );
}

function run(command: string, parameters: readonly string[]): void {
  const { status, error } = spawnSync(command, parameters, { stdio: "inherit" });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

function sourceOfXs(name: string): string {
  return readFileSync(join(process.env.MODDABLE ?? "", "xs", "sources", name), "utf8");
}

/** @param tools the SDK's commands @param sources of our modules @param parameters the linker's own */
function link(tools: string, sources: string, parameters: readonly string[]): void {
  const after = (option: string) => parameters[parameters.indexOf(option) + 1]!;
  const [folder, output] = [after("-b"), after("-o")];
  const modules = parameters.filter((parameter) => parameter.endsWith(".xsb") && isAbsolute(parameter));
  const diet = join(folder, `${DIET}.js`);
  const names = namesUsed(folder, modules, sources);
  writeFileSync(diet, dietSource(names));
  run(join(tools, "xsc"), [diet, "-c", "-e", "-o", folder, "-r", DIET]);
  const strips = CLASSES.split(" ").flatMap((name) => (names.has(name.split(".")[0]!) ? [] : ["-s", name]));
  run(join(tools, "xsl"), ["-p", `${DIET}.xsb`, ...strips, ...parameters, join(folder, `${DIET}.xsb`)]);
  const c = join(output, "mc.xs.c");
  const set = InstructionSet.of(sourceOfXs("xsCommon.h"), sourceOfXs("xsCommon.c"));
  const code = shortenCode(readFileSync(c, "utf8"), set);
  const keys = new Set(modules.map((module) => relative(folder, module).replace(/\.xsb$/, "")));
  const isString = stringsOf(code);
  const isText = (name: string) => isString(name) || keys.has(name) || !/^[\w$]+$/.test(name);
  const linked = pruneBuilders(mergeSlots(code, set, isText));
  const atWork = modules.filter((module) => relative(folder, module) !== "mc/config.xsb");
  const asked = namesUsed(folder, atWork, sources);
  const freezes = ["freeze", ".freeze", "Object.freeze"].some((name) => asked.has(name));
  writeFileSync(c, freezes ? linked : withoutFreeze(linked));
}

if (import.meta.filename === process.argv[1]) {
  const [tools, sources, ...parameters] = process.argv.slice(2);
  link(tools!, sources!, parameters);
}
