// Signs the body on standard input as GitHub's own library does, posts it, and prints the status and the answer.
import { sign } from "@octokit/webhooks-methods";
import { readFileSync } from "node:fs";

const [url, secret, event] = process.argv.slice(2);
const body = readFileSync(0, "utf8");
const answer = await fetch(url, {
  method: "POST",
  body,
  headers: {
    "content-type": "application/json",
    "x-github-event": event,
    "x-github-delivery": crypto.randomUUID(),
    "x-hub-signature-256": await sign(secret, body),
  },
});
console.log(answer.status, await answer.text());
