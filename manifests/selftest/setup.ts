import { installRunner } from "../../host-tests/board/on-chip/runner.js";
import { tell } from "./console.js";

/** Imported before any test file, which run as they are loaded. */
export const outcomes = installRunner(tell);
