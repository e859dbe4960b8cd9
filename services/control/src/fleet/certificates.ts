// Certificates that the installation's authority issues. EC P-256 throughout; each is backdated against clocks that differ.
import { webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type JsonGeneralNames,
} from "@helloway/runtime/x509";
import { type Authority, ecdsaP256 } from "./authority.ts";
import { randomSerial } from "./serial-number.ts";

/** What agents verify the control plane by, whatever address they dial. */
export const controlServerName = "control.helloway.internal";

export interface IssuedCertificate {
  /** Lower-case hex, 32 digits. */
  serial: string;
  /** X.509, DER. */
  certificate: Uint8Array;
  notBefore: Date;
  notAfter: Date;
}

/** How the control plane proves itself to edges. PEM; the chain is the certificate and then the authority's, from which an agent takes its pin. */
export interface ServerIdentity {
  chain: string;
  privateKey: string;
  notAfter: Date;
}

const backdateMs = 60_000;
const serverLifetimeMs = 30 * 24 * 3_600_000;

/** A certificate by which an edge is known: client authentication only, URI SAN `helloway://edge/<id>`. */
export async function issueEdgeCertificate(
  authority: Authority,
  request: { edgeId: string; publicKey: webcrypto.CryptoKey; lifetimeMs: number; now: Date },
): Promise<IssuedCertificate> {
  return await issue(authority, {
    subject: `CN=${request.edgeId}`,
    publicKey: request.publicKey,
    usage: ExtendedKeyUsage.clientAuth,
    names: [{ type: "url", value: `helloway://edge/${request.edgeId}` }],
    lifetimeMs: request.lifetimeMs,
    now: request.now,
  });
}

/** A certificate and key of one replica for controlServerName. The key is never stored. */
export async function issueServerCertificate(authority: Authority, now: Date): Promise<ServerIdentity> {
  const keys = await webcrypto.subtle.generateKey(ecdsaP256, true, ["sign", "verify"]);
  const issued = await issue(authority, {
    subject: `CN=${controlServerName}`,
    publicKey: keys.publicKey,
    usage: ExtendedKeyUsage.serverAuth,
    names: [{ type: "dns", value: controlServerName }],
    lifetimeMs: serverLifetimeMs,
    now,
  });
  const pkcs8 = new Uint8Array(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    chain:
      toPem("CERTIFICATE", issued.certificate) + toPem("CERTIFICATE", new Uint8Array(authority.certificate.rawData)),
    privateKey: toPem("PRIVATE KEY", pkcs8),
    notAfter: issued.notAfter,
  };
}

interface Issue {
  subject: string;
  publicKey: webcrypto.CryptoKey;
  usage: ExtendedKeyUsage;
  names: JsonGeneralNames;
  lifetimeMs: number;
  now: Date;
}

async function issue(authority: Authority, wanted: Issue): Promise<IssuedCertificate> {
  const serial = randomSerial();
  const notBefore = new Date(wanted.now.getTime() - backdateMs);
  // A certificate that outlives its issuer verifies nowhere.
  const notAfter = new Date(
    Math.min(wanted.now.getTime() + wanted.lifetimeMs, authority.certificate.notAfter.getTime()),
  );
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial,
    subject: wanted.subject,
    issuer: authority.certificate.subject,
    notBefore,
    notAfter,
    signingAlgorithm: ecdsaP256,
    signingKey: authority.key,
    publicKey: wanted.publicKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([wanted.usage]),
      new SubjectAlternativeNameExtension(wanted.names),
      await AuthorityKeyIdentifierExtension.create(authority.certificate),
    ],
  });
  return { serial, certificate: new Uint8Array(certificate.rawData), notBefore, notAfter };
}

function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
