import type { MessageInitShape } from "@bufbuild/protobuf";
import type { EdgeRequest, RequestResultSchema } from "@helloway/proto/edge";
import type { Relay } from "../relay/relay.ts";
import { describeError } from "./describe-error.ts";

export type RequestAnswer = MessageInitShape<typeof RequestResultSchema>;

/** A request lives for half a minute at the control plane; this is far more than are made in that time. */
const knownMax = 10_000;

/**
 * Does what the control plane asks of this edge, each id once: it asks again when an answer was lost with its session. Lives as long as
 * the agent, because a session ends sooner. What a restart forgets has ended the connections as well.
 */
export class RequestAnswers {
  readonly #relay: Pick<Relay, "cut">;
  /** By id, those that still run included; the oldest first. */
  readonly #answers = new Map<string, Promise<RequestAnswer>>();

  constructor(relay: Pick<Relay, "cut">) {
    this.#relay = relay;
  }

  /** Never rejects: what goes wrong is the answer. */
  answer(request: EdgeRequest): Promise<RequestAnswer> {
    const known = this.#answers.get(request.id);
    if (known !== undefined) return known;
    const answer = this.#do(request);
    this.#answers.set(request.id, answer);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > knownMax && oldest !== undefined) this.#answers.delete(oldest);
    return answer;
  }

  async #do({ id, action }: EdgeRequest): Promise<RequestAnswer> {
    if (action.case === undefined) return { id, error: "this agent does not know what is asked" };
    const { routeUid } = action.value;
    // To the engine no uid is every route.
    if (routeUid === "") return { id, error: "a cut names no route" };
    try {
      return { id, connections: BigInt(await this.#relay.cut({ routeUid })) };
    } catch (error) {
      return { id, error: describeError(error) };
    }
  }
}
