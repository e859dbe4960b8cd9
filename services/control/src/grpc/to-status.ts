import * as grpc from "@grpc/grpc-js";
import { type ErrorKind, HellowayError } from "../errors.ts";

const statusOfKind: Record<ErrorKind, grpc.status> = {
  invalid: grpc.status.INVALID_ARGUMENT,
  malformed: grpc.status.INVALID_ARGUMENT,
  unauthenticated: grpc.status.UNAUTHENTICATED,
  forbidden: grpc.status.PERMISSION_DENIED,
  not_found: grpc.status.NOT_FOUND,
  conflict: grpc.status.ALREADY_EXISTS,
  precondition_failed: grpc.status.FAILED_PRECONDITION,
  too_large: grpc.status.RESOURCE_EXHAUSTED,
  unsupported_media_type: grpc.status.INVALID_ARGUMENT,
  rate_limited: grpc.status.RESOURCE_EXHAUSTED,
  unavailable: grpc.status.UNAVAILABLE,
  internal: grpc.status.INTERNAL,
};

export interface CallStatus {
  code: grpc.status;
  /** `code: message` of a HellowayError. */
  details: string;
  /** Not one we know: the log gets all of it, the caller nothing. */
  unknown: boolean;
}

/** The one total mapper of this transport. */
export function toStatus(error: unknown): CallStatus {
  if (!(error instanceof HellowayError)) {
    return {
      code: grpc.status.INTERNAL,
      details: "internal: something is wrong on the control plane's side",
      unknown: true,
    };
  }
  return { code: statusOfKind[error.kind], details: `${error.code}: ${error.message}`, unknown: false };
}
