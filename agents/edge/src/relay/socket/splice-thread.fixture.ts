// Opens a splice and lives until it is ended.
import { parentPort } from "node:worker_threads";
import { openSplice } from "./splice.ts";

await openSplice();
parentPort!.on("message", () => undefined);
parentPort!.postMessage("opened");
