// The only module that is not preloaded where the others are: the machine's global object is set up here.
import { makeHandler } from "./app.js";

(globalThis as unknown as { handleCommand: (command: ArrayBuffer) => ArrayBuffer }).handleCommand =
  makeHandler();
