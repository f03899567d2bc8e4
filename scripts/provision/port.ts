/** Where a board's console is: a serial port, a pseudo-terminal, or a TCP port of an emulated board. */

import { constants, openSync, realpathSync } from "node:fs";
import { connect } from "node:net";
import { ReadStream, WriteStream } from "node:tty";
import { type PortInfo, WayError } from "./way.js";

const BAUD = 115_200;

/** Bytes to and from a board, as long as the cable is in. */
export interface Port {
  onData: ((bytes: Uint8Array) => void) | undefined;
  /** The other end has gone; called once. */
  onGone: (() => void) | undefined;
  write(bytes: Uint8Array): void;
  close(): void;
}

/** @throws {WayError} no-port, while it is not there */
export type OpenPort = () => Promise<Port>;

/** @param name a path, or `tcp:HOST:PORT` */
export function portOpener(name: string, baud = BAUD): OpenPort {
  const tcp = /^tcp:(.+):(\d+)$/.exec(name);
  if (tcp !== null) return () => openTcp(tcp[1]!, Number(tcp[2]));
  return () => (isPseudoTerminal(name) ? openTerminal(name) : openSerialPort(name, baud));
}

/** Serial ports of this machine that something is plugged into. @throws {WayError} no-serial-library */
export async function listPorts(): Promise<PortInfo[]> {
  const { SerialPort } = await serialLibrary();
  const ports = await SerialPort.list();
  // Linux lists every UART that a main board could have; one with something in it has an origin.
  return ports
    .filter(
      ({ vendorId, pnpId, path }) => vendorId !== undefined || pnpId !== undefined || !/ttyS/.test(path),
    )
    .map(({ path, manufacturer, serialNumber, vendorId, productId }) => ({
      path,
      ...(manufacturer !== undefined && { manufacturer }),
      ...(serialNumber !== undefined && { serialNumber }),
      ...(vendorId !== undefined && { vendorId }),
      ...(productId !== undefined && { productId }),
    }));
}

async function serialLibrary(): Promise<typeof import("serialport")> {
  try {
    return await import("serialport");
  } catch {
    throw new WayError(
      "no-serial-library",
      "serial ports need the optional package serialport: npm install serialport",
    );
  }
}

function noPort(name: string, error: unknown): WayError {
  return new WayError("no-port", `${name}: ${(error as Error).message}`);
}

/** A port over any duplex stream of Node. */
interface Wire {
  on(event: "data", listener: (bytes: Uint8Array) => void): unknown;
  on(event: "close" | "end" | "error", listener: () => void): unknown;
}

function portOf(input: Wire, write: (bytes: Uint8Array) => void, close: () => void): Port {
  let gone = false;
  const end = () => {
    if (gone) return;
    gone = true;
    close();
    port.onGone?.();
  };
  const port: Port = {
    onData: undefined,
    onGone: undefined,
    write: (bytes) => {
      if (!gone) write(bytes);
    },
    close: () => {
      gone = true;
      close();
    },
  };
  input.on("data", (bytes) => port.onData?.(bytes));
  for (const event of ["close", "end", "error"] as const) input.on(event, end);
  return port;
}

function openTcp(host: string, port: number): Promise<Port> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once("error", (error) => reject(noPort(`tcp:${host}:${port}`, error)));
    socket.once("connect", () =>
      resolve(
        portOf(
          socket,
          (bytes) => socket.write(bytes),
          () => socket.destroy(),
        ),
      ),
    );
  });
}

function isPseudoTerminal(path: string): boolean {
  try {
    return realpathSync(path).startsWith("/dev/pts/");
  } catch {
    // Not there, now: simulators make theirs by links, and a link that leads nowhere is none of the library's.
    return false;
  }
}

/** Pseudo-terminals have no speed and no lines: a file will do. */
async function openTerminal(path: string): Promise<Port> {
  try {
    const flags = constants.O_RDWR | constants.O_NOCTTY;
    const input = new ReadStream(openSync(path, flags));
    input.setRawMode(true);
    const output = new WriteStream(openSync(path, flags));
    output.on("error", () => {});
    return portOf(
      input,
      (bytes) => output.write(bytes),
      () => {
        input.destroy();
        output.destroy();
      },
    );
  } catch (error) {
    throw noPort(path, error);
  }
}

async function openSerialPort(path: string, baudRate: number): Promise<Port> {
  const { SerialPort } = await serialLibrary();
  return new Promise((resolve, reject) => {
    const serial = new SerialPort({ path, baudRate, autoOpen: false });
    serial.open((error) => {
      if (error !== null && error !== undefined) {
        reject(noPort(path, error));
        return;
      }
      const close = () => {
        if (serial.isOpen) serial.close(() => {});
      };
      resolve(portOf(serial, (bytes) => serial.write(bytes), close));
    });
  });
}
