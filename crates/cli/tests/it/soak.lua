-- What wrk asks for, and what it must be answered. Upstreams answer with the path that they were
-- asked for; a plugin adds `x-plugin`, a filter `x-round`, a callout `hello`.
local paths = { "/plain", "/plugin" }
local turn = 0
local threads = {}

ok, failed, wrong, sample = 0, 0, 0, ""

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  for _, path in ipairs(arguments) do
    table.insert(paths, path)
  end
end

function request()
  turn = turn % #paths + 1
  return wrk.format("GET", paths[turn])
end

local function is_right(status, headers, body)
  if status ~= 200 then
    return false
  end
  local path = body:match("^ok (/%a[%a-]*)\n$")
  local round = headers["x-round"]
  if path == nil or (round ~= "one" and round ~= "two") then
    return false
  end
  local plugin = headers["x-plugin"]
  if path == "/plugin" then
    return plugin == "seen" or plugin == "newer"
  end
  return plugin == nil
end

function response(status, headers, body)
  if is_right(status, headers, body) then
    ok = ok + 1
  elseif status == 502 then
    failed = failed + 1
  else
    wrong = wrong + 1
    sample = status .. " " .. body
  end
end

function done(summary)
  local all = { ok = 0, failed = 0, wrong = 0 }
  for _, thread in ipairs(threads) do
    for name in pairs(all) do
      all[name] = all[name] + thread:get(name)
    end
    if thread:get("sample") ~= "" then
      print("sample " .. thread:get("sample"))
    end
  end
  for name, count in pairs(all) do
    print("count " .. name .. " " .. count)
  end
  for _, name in ipairs({ "connect", "read", "write", "timeout" }) do
    print("count " .. name .. " " .. summary.errors[name])
  end
end
