// Threads do not get tsx from whoever starts them (Node 20), so they load it first.
import { workerData } from "node:worker_threads";
import { register } from "tsx/esm/api";

register();
await import(workerData.module);
