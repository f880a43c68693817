-- What wrk sends, and its figures on one line that can be read strictly. Arguments: the size of a body to post, or 0.
function init(args)
    local size = tonumber(args[1])
    if size > 0 then
        wrk.method = "POST"
        wrk.body = string.rep("x", size)
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "BENCH requests=%d microseconds=%d bytes=%d connect=%d read=%d write=%d status=%d timeout=%d p50=%d p99=%d\n",
        summary.requests, summary.duration, summary.bytes,
        errors.connect, errors.read, errors.write, errors.status, errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
