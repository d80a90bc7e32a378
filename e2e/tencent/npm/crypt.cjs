// Answers each line of JSON on stdin with one on stdout: {do, token, key, id, …} with the npm package's own functions.
const Crypt = require("wechat-crypto");
const readline = require("node:readline");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const q = JSON.parse(line);
  const crypt = new Crypt(q.token, q.key, q.id);
  let out;
  if (q.do === "seal") {
    const encrypt = crypt.encrypt(q.text);
    out = { encrypt, signature: crypt.getSignature(q.timestamp, q.nonce, encrypt) };
  } else {
    const { message, id } = crypt.decrypt(q.encrypt);
    out = { text: message, id, signature: crypt.getSignature(q.timestamp, q.nonce, q.encrypt) };
  }
  process.stdout.write(JSON.stringify(out) + "\n");
});
