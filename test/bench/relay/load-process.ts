// The load generator: clients that do what work.ts says, one piece after the other, asked over IPC. A process of its own, so that
// what it uses is in nobody's figures.
import { answerAll } from "./ask.ts";
import { download } from "./load/download.ts";
import { Holding } from "./load/hold.ts";
import { latency } from "./load/latency.ts";
import { Probe } from "./load/probe.ts";
import { refusals } from "./load/refusals.ts";
import type { Work } from "./work.ts";

const holding = new Holding();

const probe = new Probe();

answerAll(async (work: Work) => {
  switch (work.do) {
    case "download":
      return await download(work);
    case "latency":
      return await latency(work);
    case "hold":
      return await holding.hold(work);
    case "release":
      return await holding.release();
    case "probe":
      return probe.start(work);
    case "longest":
      return await probe.longest();
    case "refusals":
      return await refusals(work);
  }
});
process.send?.({});
