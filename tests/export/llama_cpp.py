"""What llama.cpp makes of a GGUF file: JSON in, JSON out. A program of its own, as tests may not open sockets.

`{"path": FILE, "texts": [TEXT, ...], "prompt": TEXT, "n": 200, "tokens": [3, 4, ...], "messages": [MESSAGE, ...]}` to
the tokens of the texts, the n likeliest tokens that follow the prompt, the log-probability of each of `tokens` given
those before it, and how many tokens the chat has and which is the likeliest to follow.
"""

import json
import sys
from http.client import HTTPConnection

import xllamacpp


def main() -> None:
    asked = json.load(sys.stdin)
    settings = xllamacpp.CommonParams()
    settings.model.path = asked["path"]
    settings.n_ctx, settings.n_parallel, settings.warmup, settings.verbosity = 512, 1, False, -1
    settings.cpuparams.n_threads = 1
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32  # by default of 16 bits
    settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED  # which rounds to 16 bits
    server = xllamacpp.Server(settings)

    line = HTTPConnection(server.listening_address.removeprefix("http://"))

    def post(route: str, **body: object) -> dict:
        line.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        answer = line.getresponse()
        told = json.load(answer)
        assert answer.status == 200, told
        return told

    found: dict = {"texts": [post("/tokenize", content=t, add_special=True)["tokens"] for t in asked.get("texts", [])]}
    if "prompt" in asked:
        ways = {"temperature": 0, "return_tokens": True, "n_predict": asked["n"]}
        found["greedy"] = post("/completion", prompt=asked["prompt"], **ways)["tokens"]
    if "messages" in asked:
        chat = post("/v1/chat/completions", messages=asked["messages"], max_tokens=1, temperature=0, logprobs=True)
        found["chat"] = chat["usage"]["prompt_tokens"], chat["choices"][0]["logprobs"]["content"][0]["id"]
    tokens, found["log_probs"] = asked.get("tokens", []), []
    for t in range(1, len(tokens)):
        ways = {"n_predict": 1, "n_probs": 1000, "grammar": 'root ::= "a"'}  # half a character would not be answered
        answer = post("/completion", prompt=tokens[:t], **ways)
        likely = answer["completion_probabilities"][0]["top_logprobs"]
        found["log_probs"].append(next(each["logprob"] for each in likely if each["id"] == tokens[t]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
