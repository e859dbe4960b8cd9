import type { ServiceError } from "@grpc/grpc-js";

/** Whether a call failed with a gRPC status. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}
