// The only module that is not preloaded: what it does at its start happens on the chip and not in the linker.
import { start } from "./app.js";

start();
