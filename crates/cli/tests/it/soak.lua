-- What wrk asks for, and what it must be answered. Upstreams answer with the path that they were
-- asked for; a plugin adds `x-plugin`, a filter `x-round`, a callout
-- `header-response`.
local paths = { "/plain", "/plugin", "/open", "/closed" }
local turn = 0
local threads = {}

ok, failed, refused, wrong, sample = 0, 0, 0, 0, ""

function setup(thread)
  table.insert(threads, thread)
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
  local plugin, callout = headers["x-plugin"], headers["header-response"]
  if path == "/plugin" then
    return (plugin == "seen" or plugin == "newer") and callout == nil
  elseif path == "/closed" then
    return plugin == nil and callout == "response"
  elseif path == "/open" then
    return plugin == nil and (callout == "response" or callout == nil)
  end
  return plugin == nil and callout == nil
end

function response(status, headers, body)
  if is_right(status, headers, body) then
    ok = ok + 1
  elseif status == 502 then
    failed = failed + 1
  elseif status == 500 then
    -- Without its callout; whether it was dead then is seen elsewhere.
    refused = refused + 1
  else
    wrong = wrong + 1
    sample = status .. " " .. body
  end
end

function done(summary)
  local all = { ok = 0, failed = 0, refused = 0, wrong = 0 }
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
