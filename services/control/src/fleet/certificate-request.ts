import { createHash, webcrypto } from "node:crypto";
import { Pkcs10CertificateRequest } from "@helloway/runtime/x509";
import { HellowayError } from "../errors.ts";
import { ecdsaP256 } from "./authority.ts";

/** A request for an EC P-256 key is about 300 bytes; attributes that nobody reads are no reason for more. */
const requestBytesMax = 4096;

export interface RequestedKey {
  publicKey: webcrypto.CryptoKey;
  /** SHA-256 of its SubjectPublicKeyInfo, 32 bytes. */
  keyHash: Uint8Array;
}

/**
 * The public key of a PKCS #10 request (DER), which is all that is taken from it, after proof that the sender holds the
 * private key. Throws HellowayError invalid/bad_certificate_request.
 */
export async function readCertificateRequest(der: Uint8Array): Promise<RequestedKey> {
  if (der.length === 0 || der.length > requestBytesMax) {
    throw unusable(`it has ${der.length} bytes; 1 to ${requestBytesMax} are taken`);
  }
  let publicKey: webcrypto.CryptoKey;
  let proven: boolean;
  try {
    const request = new Pkcs10CertificateRequest(new Uint8Array(der));
    // The import refuses every other algorithm and curve, and points that are not on the curve.
    publicKey = await webcrypto.subtle.importKey("spki", request.publicKey.rawData, ecdsaP256, true, ["verify"]);
    proven = await request.verify();
  } catch (error) {
    throw unusable("it is not a PKCS #10 request for an EC P-256 key", error);
  }
  if (!proven) throw unusable("its signature is not by the private key of the public key in it");
  const spki = new Uint8Array(await webcrypto.subtle.exportKey("spki", publicKey));
  return { publicKey, keyHash: new Uint8Array(createHash("sha256").update(spki).digest()) };
}

function unusable(why: string, cause?: unknown): HellowayError {
  return new HellowayError(
    "invalid",
    "bad_certificate_request",
    `The certificate request cannot be used: ${why}.`,
    cause === undefined ? {} : { cause },
  );
}
