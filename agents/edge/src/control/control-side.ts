// Everything the agent has to do with the control plane, in the order it may happen: enrol if there is no identity, keep a session, report.
// It is started once the edge serves; nothing of it is needed to serve.
import { join } from "node:path";
import type { SocketAddress } from "@helloway/runtime/environment-fields";
import type { Logger } from "@helloway/runtime/logger";
import type { Welcome } from "@helloway/proto/edge";
import type { Relay } from "../relay/relay.ts";
import { ControlClient, type ControlStatus } from "./client.ts";
import { CorrectedClock } from "./corrected-clock.ts";
import { describeError } from "./describe-error.ts";
import { enrol } from "./enrol.ts";
import { type Identity, saveIdentity } from "./identity.ts";
import type { JoinToken } from "./join-token.ts";
import { pause } from "./pause.ts";
import { Reporter } from "./reporter.ts";
import type { ServedTable } from "./served-table.ts";
import type { AgentDescription } from "./session.ts";
import { Spool } from "./spool.ts";

const spoolRetryMs = 5_000;

export interface ControlSideOptions {
  dataDirectory: string;
  /** How this agent came to be an edge, or is to. */
  standing: { identity: Identity } | { joinToken: JoinToken; control: SocketAddress; name: string };
  /** host:port to dial; null: the one of the identity. */
  address: string | null;
  agent: AgentDescription;
  table: ServedTable;
  relay: Pick<Relay, "counters" | "forget" | "cut">;
  /** Nothing else is done for it before this is done. */
  onIdentity: (identity: Identity) => Promise<void>;
  log: Logger;
}

export class ControlSide {
  readonly #options: ControlSideOptions;
  readonly #clock = new CorrectedClock();
  readonly #since = new Date();
  #client: ControlClient | null = null;
  #reporter: Reporter | null = null;

  constructor(options: ControlSideOptions) {
    this.#options = options;
  }

  get status(): ControlStatus {
    return this.#client?.status ?? { connected: false, since: this.#since, reason: "enrolling" };
  }

  /** Why reports cannot be kept; empty when they can. */
  get reportsError(): string {
    return this.#reporter?.spoolError ?? "";
  }

  /** Runs until the signal aborts. Rejects when this edge is refused enrolment. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#follow(signal), this.#report(signal)]);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Closes and delivers the last report, within that time. To be called when the engine has closed, before run() is ended. */
  async finish(timeoutMs: number): Promise<void> {
    await this.#reporter?.finish(timeoutMs);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { standing, dataDirectory, agent, table, relay, onIdentity, log } = this.#options;
    const identity =
      "identity" in standing ? standing.identity : await enrol({ ...standing, dataDirectory, log }, signal);
    await onIdentity(identity);
    const address = this.#options.address ?? identity.controlAddress;
    const onWelcome = (welcome: Welcome): void => {
      this.#reporter?.connected(welcome.reportIntervalMs);
      if (identity.controlAddress !== address) this.#rememberAddress(identity, address);
    };
    this.#client = new ControlClient({ identity, address, agent, table, relay, clock: this.#clock, onWelcome, log });
    await this.#client.run(signal);
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { agent, relay, log } = this.#options;
    const spool = await this.#openSpool(signal);
    if (spool === null) return;
    this.#reporter = new Reporter({
      counters: () => relay.counters(),
      forget: (kept) => relay.forget(kept),
      spool,
      clock: this.#clock,
      send: (request, sendSignal) => this.#client?.report(request, sendSignal) ?? null,
      log: log.child({ boot: agent.bootId }),
    });
    const welcome = this.#client?.welcome ?? null;
    if (welcome !== null) this.#reporter.connected(welcome.reportIntervalMs);
    await this.#reporter.run(signal);
  }

  /** Tries for as long as the disk is in the way: the engine's counters wait. null: the signal aborted. */
  async #openSpool(signal: AbortSignal): Promise<Spool | null> {
    const { dataDirectory, agent, log } = this.#options;
    let said = "";
    while (!signal.aborted) {
      try {
        return await Spool.open(join(dataDirectory, "edge", "spool"), agent.bootId, log);
      } catch (error) {
        const reason = describeError(error);
        if (reason !== said) log.error({ reason }, "the directory of reports cannot be used; counting goes on");
        said = reason;
      }
      await pause(spoolRetryMs, signal);
    }
    return null;
  }

  /** The address that worked is where a start without HELLOWAY_CONTROL_ADDRESS dials. */
  #rememberAddress(identity: Identity, address: string): void {
    identity.controlAddress = address;
    saveIdentity(this.#options.dataDirectory, identity).catch((error: unknown) =>
      this.#options.log.warn({ reason: describeError(error) }, "the control plane's address could not be saved"),
    );
  }
}
