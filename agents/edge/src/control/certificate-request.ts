import { type KeyObject, createPublicKey } from "node:crypto";
import { Pkcs10CertificateRequestGenerator } from "@helloway/runtime/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256" } as const;

/** A certificate request (PKCS #10, DER) that proves possession of the EC P-256 key. The control plane takes only the key from it. */
export async function createCertificateRequest(privateKey: KeyObject): Promise<Uint8Array> {
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=helloway edge",
    keys: {
      privateKey: privateKey.toCryptoKey(algorithm, false, ["sign"]),
      publicKey: createPublicKey(privateKey).toCryptoKey(algorithm, true, ["verify"]),
    },
    signingAlgorithm: { ...algorithm, hash: "SHA-256" },
  });
  return new Uint8Array(request.rawData);
}
