// From counters to reports that are applied exactly once.
//
// - A report is closed on every multiple of the interval of the corrected clock, and at the end of each minute: the difference of the counters
//   to what was closed before. The difference counts as reported once it is on disk; until then it stays part of the next one.
// - An interval in which nothing happened makes no report, but the first of a boot does, so that what the boot before left open is
//   closed, and so does a minute of silence, so that silence is told from loss.
// - Reports are sent one at a time in order, each again and again until it is applied.
// - While the spool cannot be written nothing is closed: what happens meanwhile is in the first report after.
import { status } from "@grpc/grpc-js";
import type { ReportRequest, ReportResponse } from "@helloway/proto/edge";
import type { Logger } from "@helloway/runtime/logger";
import type { Counters, ForgottenCounters } from "../relay/relay.ts";
import { Backoff } from "./backoff.ts";
import type { CorrectedClock } from "./corrected-clock.ts";
import { describeError } from "./describe-error.ts";
import { pause } from "./pause.ts";
import { ReportedCounters, copyCounters } from "./report-difference.ts";
import { latestReportAt, nextReportAt, reportSpan } from "./report-span.ts";
import { isServiceError } from "./service-error.ts";
import type { Spool, SpooledReport } from "./spool.ts";
import { Wakeup } from "./wakeup.ts";

const intervalDefaultMs = 10_000;
const intervalBoundsMs = { min: 100, max: 60_000 } as const;
const silenceMaxMs = 60_000;
const retryMs = { firstMs: 100, maxMs: 5_000 } as const;

export interface ReporterOptions {
  counters: () => Promise<Counters>;
  /** As Relay.forget(). */
  forget: (kept: Counters) => ForgottenCounters;
  spool: Spool;
  clock: CorrectedClock;
  /** Delivers over the established session; null: there is none. */
  send: (request: ReportRequest, signal: AbortSignal) => Promise<ReportResponse> | null;
  log: Logger;
}

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #reported = new ReportedCounters();
  readonly #toClose = new Wakeup();
  readonly #toSend = new Wakeup();
  #intervalMs = intervalDefaultMs;
  #lastEndMs: number;
  #lastReportMs = Number.NEGATIVE_INFINITY;
  #connected = false;
  #finished = false;
  #spoolError = "";
  /** Closings follow each other. */
  #closing: Promise<void> = Promise.resolve();
  /** Resolved when the spool is empty or nobody is there to send to; null: nobody waits. */
  #onIdle: (() => void) | null = null;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#lastEndMs = options.clock.now();
  }

  /** Empty when reports can be kept. */
  get spoolError(): string {
    return this.#spoolError;
  }

  /** A session is established. */
  connected(intervalMs: number): void {
    this.#connected = true;
    this.#intervalMs = Math.min(Math.max(intervalMs, intervalBoundsMs.min), intervalBoundsMs.max);
    this.#toClose.wake();
    this.#toSend.wake();
  }

  /** Closes and sends reports until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#closeOnTime(signal), this.#sendInOrder(signal)]);
  }

  /** Closes the last report of this boot, and waits until all are delivered, there is no session, or the time is over. */
  async finish(timeoutMs: number): Promise<void> {
    this.#finished = true;
    await this.#closeNow(this.#options.clock.now(), true);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    const timer = setTimeout(resolve, timeoutMs);
    this.#toSend.wake();
    await promise;
    clearTimeout(timer);
  }

  async #closeOnTime(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted && !this.#finished) {
      const nowMs = clock.now();
      // The clock was set back: what it shows now is what spans are made of.
      if (this.#lastEndMs > nowMs + this.#intervalMs) this.#lastEndMs = nowMs;
      const dueMs = latestReportAt(nowMs, this.#intervalMs);
      if (dueMs > this.#lastEndMs) await this.#closeNow(dueMs, false);
      await this.#toClose.waitAtMost(nextReportAt(clock.now(), this.#intervalMs) - clock.now(), signal);
    }
  }

  /** Never rejects but when the engine does: what the disk refuses is kept and tried again with the next report. */
  async #closeNow(closedMs: number, isLast: boolean): Promise<void> {
    const close = this.#closing.then(() => this.#close(closedMs, isLast));
    this.#closing = close.catch(() => undefined);
    await close;
  }

  async #close(closedMs: number, isLast: boolean): Promise<void> {
    const { counters, forget, spool } = this.#options;
    const now = copyCounters(await counters());
    const span = reportSpan(this.#lastEndMs, closedMs);
    const reports = this.#reported.difference(now);
    if (reports.length === 0 && closedMs - this.#lastReportMs >= silenceMaxMs) {
      reports.push({ accepted: 0n, undecided: BigInt(now.undecided), routes: [] });
    }
    try {
      for (const report of reports) {
        await spool.add(span, report);
        this.#reported.reported(report, now);
        this.#lastReportMs = closedMs;
      }
      if (isLast) await spool.end();
      this.#spoolState("");
    } catch (error) {
      this.#spoolState(describeError(error));
      return;
    }
    // On disk is everything now.
    this.#reported.forget(forget(now));
    this.#lastEndMs = closedMs;
    this.#toSend.wake();
  }

  async #sendInOrder(signal: AbortSignal): Promise<void> {
    const { spool } = this.#options;
    const backoff = new Backoff(retryMs);
    while (!signal.aborted) {
      if (!this.#connected || spool.isEmpty) this.#onIdle?.();
      await this.#toSend.wait(signal, () => this.#connected && !spool.isEmpty);
      if (signal.aborted || !this.#connected || spool.isEmpty) continue;
      try {
        const report = await spool.next();
        if (report === null || (await this.#deliver(report, signal))) {
          backoff.reset();
          continue;
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.warn({ reason: describeError(error) }, "a report was not delivered; it will be sent again");
      }
      await pause(backoff.nextMs(), signal);
    }
  }

  /** Whether the next report may follow at once. Rejects when this one is to be sent again. */
  async #deliver(report: SpooledReport, signal: AbortSignal): Promise<boolean> {
    const { spool, clock, send, log } = this.#options;
    const sentAt = clock.localNow();
    const answer = send(report.request, signal);
    if (answer === null) {
      this.#connected = false;
      return true;
    }
    try {
      const response = await answer;
      clock.observe(sentAt, clock.localNow(), Number(response.serverTimeMs));
      return await spool.applied(report, Number(response.appliedSequence));
    } catch (error) {
      if (!isServiceError(error) || error.code !== status.INVALID_ARGUMENT) throw error;
      log.error(
        { boot: report.request.bootId, sequence: String(report.request.sequence), reason: error.details },
        "the control plane refuses a report: what it counted is lost",
      );
      await spool.refused(report);
      return true;
    }
  }

  #spoolState(error: string): void {
    if (error !== "" && error !== this.#spoolError) {
      this.#options.log.error(
        { reason: error },
        "reports cannot be saved; counting goes on, and is reported once they can",
      );
    }
    this.#spoolError = error;
  }
}
