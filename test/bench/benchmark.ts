/** One measured figure: every run, and their median. */
export interface Figure {
  figure: string;
  unit: string;
  runs: number[];
  median: number;
  /** What it has to reach, in words. */
  bar: string;
}

export interface Benchmark {
  name: string;
  run(tell: (line: string) => void): Promise<Figure[]>;
}

export function toFigure(figure: string, unit: string, bar: string, runs: readonly number[]): Figure {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  return { figure, unit, runs: [...runs], median, bar };
}
