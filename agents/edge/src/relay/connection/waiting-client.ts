// A client whose backend is being dialled: what it goes on sending is kept for the backend, and its reset is heard.
//
// Invariants:
// - It is read, and its reset heard at once. Whoever has sent READ_MAX, or its FIN, is not read any more and asked instead, so that its
//   reset is heard within ASK_MS.
// - What is kept has a place in the worker's budget (ordinary clients' few bytes do not), until leave(), which comes once on every way out.
import type { TcpSocket } from "../socket/tcp-socket.ts";
import { type DiallingBytes, type DiallingClient, type DiallingPlace, UNCOUNTED_BYTES_MAX } from "./dialling-bytes.ts";
import type { ReceivedBytes } from "./received-bytes.ts";

/** The client is read up to here; with what one read brings it stays within 192 KiB. */
const READ_MAX = 64 * 1024;
/** How often a client that is not read is asked whether it was reset. */
const ASK_MS = 250;

/** All of these have to leave() before they return. */
export interface WaitingClientOwner extends DiallingClient {
  /** The client is gone. */
  clientReset(): void;
  /** Gets what a defect in the above throws. */
  bug(error: unknown): void;
}

export class WaitingClient {
  readonly #socket: TcpSocket;
  readonly #received: ReceivedBytes;
  readonly #budget: DiallingBytes;
  readonly #owner: WaitingClientOwner;
  #place: DiallingPlace | null = null;
  #asking: NodeJS.Timeout | null = null;
  #ended = false;
  #left = false;

  /** @param received what has come already. */
  constructor(socket: TcpSocket, received: ReceivedBytes, budget: DiallingBytes, owner: WaitingClientOwner) {
    this.#socket = socket;
    this.#received = received;
    this.#budget = budget;
    this.#owner = owner;
  }

  /** Its owner has to know it already: there may be no memory for it. */
  start(): void {
    if (this.#received.length > UNCOUNTED_BYTES_MAX) this.#keep();
  }

  /** It has sent more. */
  push(bytes: Uint8Array): void {
    this.#received.append(bytes);
    this.#keep();
  }

  /** It has sent its FIN. */
  end(): void {
    this.#ended = true;
    this.#leaveUnread();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Everything for the backend; valid until the next push(). */
  bytes(): Uint8Array {
    return this.#received.bytes();
  }

  /** The dial is over, for whatever reason. */
  leave(): void {
    this.#left = true;
    if (this.#asking) clearInterval(this.#asking);
    this.#asking = null;
    if (this.#place) this.#budget.remove(this.#place);
  }

  /** Nothing that is read can tell of a reset. */
  ask(): void {
    try {
      if (this.#socket.askForReset() !== 0) this.#owner.clientReset();
    } catch (error) {
      this.#owner.bug(error);
    }
  }

  /** It may be too much: of this client, or of all. */
  #keep(): void {
    const { length, heldBytes } = this.#received;
    if (length > UNCOUNTED_BYTES_MAX) this.#budget.hold((this.#place ??= this.#budget.add(this.#owner)), heldBytes);
    if (!this.#left && length >= READ_MAX) this.#leaveUnread();
  }

  #leaveUnread(): void {
    this.#socket.stop();
    this.#asking ??= setInterval(ask, ASK_MS, this);
  }
}

function ask(client: WaitingClient): void {
  client.ask();
}
