import { fromBinary } from "@bufbuild/protobuf";
import { type Route, RouteSchema } from "@helloway/proto/table";
import { routeForwarding } from "./route-forwarding.ts";
import type { RouteForwarding } from "./served-route.ts";

/**
 * A route's forwarding, made when a connection first wants it: of a hundred thousand routes few have one at a time, and this is
 * more than half of what a route would keep in memory and the garbage collector would look at.
 */
export class LazyForwarding {
  readonly #object: { readonly body: Uint8Array };
  #value: RouteForwarding | null = null;

  /** @param object holds a route that has been checked. */
  constructor(object: { readonly body: Uint8Array }) {
    this.#object = object;
  }

  /** Of a route that is in no object of its own. */
  static of(route: Route): LazyForwarding {
    const forwarding = new LazyForwarding({ body: new Uint8Array() });
    forwarding.#value = routeForwarding(route);
    return forwarding;
  }

  get value(): RouteForwarding {
    this.#value ??= routeForwarding(fromBinary(RouteSchema, this.#object.body));
    return this.#value;
  }
}
