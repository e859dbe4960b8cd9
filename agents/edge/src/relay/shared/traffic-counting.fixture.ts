import { type LeftSlots, type OpenTraffic, Traffic } from "./traffic.ts";
import type { TrafficReader } from "./traffic-reader.ts";

export interface CountedConnection extends OpenTraffic {
  readonly uid: string;
  readonly backend: string;
  backendSlot: number;
  rxBytes: number;
}

/** A worker and its coordinator, as far as counting goes. */
export class Counting {
  readonly id: number;
  readonly reader: TrafficReader;
  readonly traffic: Traffic;
  readonly open: CountedConnection[] = [];
  pages = 0;
  #freed: number[] = [];

  constructor(id: number, reader: TrafficReader) {
    this.id = id;
    this.reader = reader;
    this.traffic = new Traffic((announcement) => {
      if ("page" in announcement) this.pages++;
      reader.announced(id, announcement);
    });
  }

  dial(uid: string, backend: string): CountedConnection {
    this.traffic.accept();
    const routeSlot = this.traffic.open(uid);
    const open = { uid, backend, routeSlot, backendSlot: -1, rxBytes: 0, txBytes: 0, flushedRx: 0, flushedTx: 0 };
    this.traffic.attempt(this.traffic.backend(routeSlot, backend));
    this.open.push(open);
    return open;
  }

  dialled(open: CountedConnection): void {
    open.backendSlot = this.traffic.backend(open.routeSlot, open.backend);
    this.traffic.openBackend(open.backendSlot, open);
  }

  failed(open: CountedConnection): void {
    this.traffic.attemptFailed(this.traffic.backend(open.routeSlot, open.backend));
    this.#close(open, "connect_failed");
  }

  connect(uid: string, backend: string): CountedConnection {
    const open = this.dial(uid, backend);
    this.dialled(open);
    return open;
  }

  close(open: CountedConnection): void {
    this.#close(open, "client_closed");
  }

  #close(open: CountedConnection, reason: "client_closed" | "connect_failed"): void {
    this.traffic.close(open.routeSlot, open.backendSlot, reason, open);
    this.open.splice(this.open.indexOf(open), 1);
  }

  /** The worker's half of a flush, and what it answers. */
  flush(served: ReadonlySet<string>): LeftSlots {
    this.traffic.free(this.#freed.splice(0));
    this.traffic.flush(this.open);
    return this.traffic.letGo((uid) => served.has(uid));
  }

  /** The coordinator's half. */
  answered(left: LeftSlots): void {
    this.#freed.push(...this.reader.letGo(this.id, left));
  }
}
