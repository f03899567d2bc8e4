import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { StartupError } from "../errors.js";

/** Files in PEM form. */
export interface TlsFiles {
  /** The certificate, and behind it those that lead to its authority. */
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads a certificate and its key.
 * @throws StartupError naming the file, when they cannot be read or do not belong together
 */
export function loadTls({ cert, key }: TlsFiles): { readonly cert: Buffer; readonly key: Buffer } {
  const read = (file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new StartupError(`${file} cannot be read: ${(error as Error).message}`);
    }
  };
  const files = { cert: read(cert), key: read(key) };
  try {
    createSecureContext(files);
  } catch (error) {
    throw new StartupError(`${cert} and ${key} are no certificate and its key: ${(error as Error).message}`);
  }
  return files;
}
