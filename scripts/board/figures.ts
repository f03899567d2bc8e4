/** What an image takes, and what takes it. */

import { readFileSync } from "node:fs";
import type { Elf } from "./elf.js";

/** DESIGN §6. */
export const FLASH_REGION = { from: 0x27000, to: 0xef000 } as const;
const RAM_FROM = 0x20004200;
const RAM_TO = 0x20040000;

export interface ImageFigures {
  /** Bytes of the application region that the image takes. */
  readonly flash: number;
  readonly flashRegion: number;
  /** Static RAM without the C heap. */
  readonly ram: number;
  readonly ramRegion: number;
  /** FreeRTOS's heap, out of which everything else comes. */
  readonly cHeap: number;
  /** What the JavaScript machine takes of it at its start (`creation.static`). */
  readonly jsHeap: number;
  readonly flashBy: ReadonlyMap<string, number>;
  /** Bytes of JavaScript by folder, of images that are bundled. */
  readonly codeBy: ReadonlyMap<string, number>;
}

/** What an object file of the link belongs to. */
function partOf(object: string): string {
  const file = object.slice(object.lastIndexOf("/") + 1);
  if (object.includes("liboberon")) return "Oberon (crypto)";
  if (/\.a\(/.test(object) || object.includes("crt")) return "C library";
  if (file === "mc.xs.c.o") return "JavaScript: byte code and preloaded objects";
  if (/^xs\w*\.c\.o$/.test(file) && file !== "xsmain.c.o") return "XS engine";
  if (/^board[A-Z]\w*\.c\.o$/.test(file)) return "hal/nrf52 in C";
  if (/^(heap_4|list|port\w*|queue|stream_buffer|tasks|timers|event_groups|croutine)\.c\.o$/.test(file))
    return "FreeRTOS";
  if (object.includes("/lib/")) return "nRF5 SDK";
  return "Moddable's runtime and modules";
}

/** Flash by part, from the linker's map. */
export function flashByPart(map: string): Map<string, number> {
  const parts = new Map<string, number>();
  let inFlash = false;
  let part = "";
  // A long section's name stands on a line of its own, before address, size and object.
  const contribution = /^ (?:\.\S+| ?\*fill\*)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)(?: +(\S.*?))?\s*$/;
  for (const line of map.slice(map.indexOf("Linker script and memory map")).split("\n")) {
    if (line.startsWith(".")) inFlash = !line.startsWith(".debug");
    const match = inFlash ? contribution.exec(line) : null;
    if (match === null) continue;
    const [, address, size, object] = match;
    const at = Number.parseInt(address!, 16);
    if (at < FLASH_REGION.from || at >= FLASH_REGION.to) continue;
    if (object !== undefined) part = partOf(object);
    else if (!line.includes("*fill*")) continue;
    parts.set(part, (parts.get(part) ?? 0) + Number.parseInt(size!, 16));
  }
  return new Map([...parts].sort((a, b) => b[1] - a[1]));
}

export function figuresOf(
  elf: Elf,
  mapFile: string,
  makefile: string,
  codeBy: ReadonlyMap<string, number>,
): ImageFigures {
  let flashEnd: number = FLASH_REGION.from;
  let data = 0;
  let ram = 0;
  for (const { address, size, allocated, empty } of elf.sections) {
    if (!allocated) continue;
    if (address >= FLASH_REGION.from && address < FLASH_REGION.to)
      flashEnd = Math.max(flashEnd, address + size);
    if (address >= RAM_FROM && address < RAM_TO) {
      ram += size;
      if (!empty) data += size;
    }
  }
  const cHeap = 0x35000;
  // -c chunks, …, static, main, native stack
  const creation = /^CREATION = -c (\S+)/m.exec(makefile)?.[1]?.split(",") ?? [];
  return {
    // Initialized data stand behind the code.
    flash: flashEnd - FLASH_REGION.from + data,
    flashRegion: FLASH_REGION.to - FLASH_REGION.from,
    ram: ram - cHeap,
    ramRegion: RAM_TO - RAM_FROM,
    cHeap,
    jsHeap: Number(creation.at(-3) ?? 0),
    flashBy: flashByPart(readFileSync(mapFile, "utf8")),
    codeBy,
  };
}
