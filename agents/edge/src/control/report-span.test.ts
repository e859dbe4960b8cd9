import fc from "fast-check";
import { expect, test } from "vitest";
import { latestReportAt, nextReportAt, reportSpan } from "./report-span.ts";

const noon = Date.UTC(2026, 10, 23, 12);
const minuteMs = 60_000;

test("reports are due on multiples of the interval and at the end of each minute", () => {
  expect(nextReportAt(noon, 10_000)).toBe(noon + 10_000);
  expect(nextReportAt(noon + 9_999, 10_000)).toBe(noon + 10_000);
  expect(nextReportAt(noon + 55_000, 10_000)).toBe(noon + minuteMs);
  const odd = 7_000;
  const before = noon + minuteMs - 1_000;
  expect(nextReportAt(before, odd)).toBe(Math.min(Math.ceil((before + 1) / odd) * odd, noon + minuteMs));
  expect(latestReportAt(noon + minuteMs, odd)).toBe(noon + minuteMs);
});

test("a span continues the one before it", () => {
  expect(reportSpan(noon + 10_000, noon + 20_000)).toEqual({ startMs: noon + 10_000, endMs: noon + 20_000 });
  expect(reportSpan(noon + 50_000, noon + minuteMs)).toEqual({ startMs: noon + 50_000, endMs: noon + minuteMs });
});

test("a report that is closed a minute late begins with its own minute", () => {
  const late = noon + 2 * minuteMs + 3_000;
  expect(reportSpan(noon + 50_000, late)).toEqual({ startMs: noon + 2 * minuteMs, endMs: late });
});

test("a report that is closed after the clock was set back begins with its minute", () => {
  expect(reportSpan(noon + minuteMs, noon + 30_000)).toEqual({ startMs: noon, endMs: noon + 30_000 });
});

test("every span lies inside one minute, whatever the interval, the delay and the clock", () => {
  const time = fc.integer({ min: noon, max: noon + 10 * minuteMs });
  fc.assert(
    fc.property(time, time, fc.integer({ min: 100, max: minuteMs }), (lastEnd, now, intervalMs) => {
      for (const closed of [now, latestReportAt(now, intervalMs), nextReportAt(now, intervalMs)]) {
        const { startMs, endMs } = reportSpan(lastEnd, closed);
        expect(startMs).toBeLessThan(endMs);
        expect(Math.floor(startMs / minuteMs)).toBe(Math.floor((endMs - 1) / minuteMs));
      }
      expect(latestReportAt(now, intervalMs)).toBeLessThanOrEqual(now);
      expect(nextReportAt(now, intervalMs)).toBeGreaterThan(now);
    }),
  );
});
