// One message through nodemailer, as its documentation shows it.
// Usage: node send.mjs plain|starttls|tls PORT CA_FILE BODY_FILE
import { readFileSync } from 'node:fs';
import { createTransport } from 'nodemailer';

const [, , security, port, caFile, bodyFile] = process.argv;
const transport = createTransport({
  host: '127.0.0.1',
  port: Number(port),
  name: 'bench.example.org',
  secure: security === 'tls',
  requireTLS: security === 'starttls',
  tls: security === 'plain' ? undefined : { ca: readFileSync(caFile) },
});
await transport.sendMail({
  from: 'sender@example.org',
  to: 'recipient@example.org',
  subject: 'Bench',
  text: readFileSync(bodyFile, 'utf8'),
});
