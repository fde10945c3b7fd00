-- wrk sends the lines of the file in BODIES, one after the other; at the end one line of JSON says what came of it.
local bodies, at = {}, 0
local path = os.getenv("BODIES")
if path then
  for line in io.lines(path) do bodies[#bodies + 1] = line end
end

request = function()
  if #bodies == 0 then return wrk.format("GET") end
  at = at % #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[at])
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
