import { ToldError } from "@helloway/runtime/told-error";

export interface ApiAnswer {
  status: number;
  etag: string | null;
  body: unknown;
}

export interface ApiRequest {
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  /** Further statuses that are an answer rather than a failure. */
  accept?: readonly number[];
}

export type Api = (method: string, path: string, request?: ApiRequest) => Promise<ApiAnswer>;

/** The public HTTP API as any client uses it. Paths are below /api/v1. Throws ToldError with what the server said. */
export function createApi(origin: string, token: string, signal: AbortSignal): Api {
  return async (method, path, { body, headers, accept } = {}) => {
    const response = await fetch(`${origin}/api/v1${path}`, {
      method,
      signal,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok && accept?.includes(response.status) !== true) {
      throw new ToldError(`the API refused ${method} ${path}: ${response.status} ${text}`);
    }
    const answer: unknown = text === "" ? null : JSON.parse(text);
    return { status: response.status, etag: response.headers.get("etag"), body: answer };
  };
}
