// The load generator: clients that do what work.ts says, one piece after the other, asked over IPC. A process of its own, so that
// what it uses is in nobody's figures.
import { answerAll } from "./ask.ts";
import { download } from "./load/download.ts";
import { Holding } from "./load/hold.ts";
import { latency } from "./load/latency.ts";
import type { Work } from "./work.ts";

const holding = new Holding();

answerAll(async (work: Work) => {
  if (work.do === "download") return await download(work);
  if (work.do === "latency") return await latency(work);
  if (work.do === "hold") return await holding.hold(work);
  return await holding.release();
});
process.send?.({});
