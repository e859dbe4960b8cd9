// To be loaded into a process before its program: ends its first worker thread on SIGUSR2, since no signal reaches a thread alone.
import { isMainThread, type Worker } from "node:worker_threads";

if (isMainThread) {
  const workers: Worker[] = [];
  process.on("worker", (worker) => workers.push(worker));
  process.on("SIGUSR2", () => void workers[0]?.terminate());
}
