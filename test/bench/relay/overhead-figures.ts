import type { Figure } from "../benchmark.ts";
import type { HttpsRun } from "./https-lab.ts";
import { type Measured, peerFigures } from "./rounds.ts";

/** How much longer a request takes through each peer than the direct way in the same round, in per cent. */
export function overheadFigures(what: string, measured: Measured<HttpsRun>): Figure[] {
  const without = measured.get("direct") ?? [];
  const added = (run: HttpsRun, peer: string, round: number): number | null =>
    peer === "direct" ? null : (run.each / (without[round]?.each ?? Number.NaN) - 1) * 100;
  const alone = (run: HttpsRun, peer: string): number | null => (peer === "direct" ? run.each : null);
  return [
    ...peerFigures(`HTTPS request, ${what}`, "us", "", measured, alone),
    ...peerFigures(`HTTPS overhead, ${what}`, "%", "", measured, added),
  ];
}
