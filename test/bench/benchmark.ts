/** One measured figure: every run, and their median. */
export interface Figure {
  figure: string;
  unit: string;
  runs: number[];
  median: number;
  /** What it has to reach, in words. */
  bar: string;
  /** This one divided by nginx in the same round: every round, and their median. Absent: nothing to compare with. */
  toNginx?: { runs: number[]; median: number };
}

/** What a benchmark is run with. */
export interface Bench {
  /** A line of progress. */
  tell(line: string): void;
  /** Something to be read beside the figures: a version, what is missing, how processes were placed. */
  note(name: string, value: string): void;
  /** Whether a figure of Benchmark.figures is wanted. */
  wants(figure: string): boolean;
}

export interface Benchmark {
  name: string;
  /** What can be asked for alone; absent: it is all or nothing. */
  figures?: readonly string[];
  run(bench: Bench): Promise<Figure[]>;
}

/** @param nginx what nginx did, round by round, where that is what to compare with. */
export function toFigure(
  figure: string,
  unit: string,
  bar: string,
  runs: readonly number[],
  nginx?: readonly number[],
): Figure {
  const measured = { figure, unit, runs: [...runs], median: median(runs), bar };
  if (!nginx) return measured;
  const ratios = runs.map((each, round) => each / (nginx[round] ?? Number.NaN));
  return { ...measured, toNginx: { runs: ratios, median: median(ratios) } };
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN;
  return sorted.length === 0 ? Number.NaN : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
