/** From start to end, both milliseconds since 1970-01-01 UTC, the end not included; within one minute. */
export interface ReportSpan {
  startMs: number;
  endMs: number;
}

const minuteMs = 60_000;

/** When the next report is due after `nowMs`: the next multiple of the interval, or the end of the minute if that is sooner. */
export function nextReportAt(nowMs: number, intervalMs: number): number {
  const multiple = (Math.floor(nowMs / intervalMs) + 1) * intervalMs;
  const minuteEnd = (Math.floor(nowMs / minuteMs) + 1) * minuteMs;
  return Math.min(multiple, minuteEnd);
}

/** When a report was due last at `nowMs`, that moment included. */
export function latestReportAt(nowMs: number, intervalMs: number): number {
  return Math.max(Math.floor(nowMs / intervalMs) * intervalMs, Math.floor(nowMs / minuteMs) * minuteMs);
}

/**
 * The span of a report that is closed at `closedMs`, the previous one having ended at `lastEndMs`. A report closed late, after a
 * stalled process or a step of the clock, begins with its own minute: what it counts was seen then.
 */
export function reportSpan(lastEndMs: number, closedMs: number): ReportSpan {
  // The end is not included: what closes on the minute is of the minute before.
  const minuteStart = Math.floor((closedMs - 1) / minuteMs) * minuteMs;
  const isContinued = lastEndMs >= minuteStart && lastEndMs < closedMs;
  return { startMs: isContinued ? lastEndMs : minuteStart, endMs: closedMs };
}
