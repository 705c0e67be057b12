-- What both policies owe to responses, in Envoy's Lua filter. It stands behind the script of a policy, which has `restored` and `vary`,
-- the header that chose the environment, or nothing.

function envoy_on_response(handle)
  local owed = handle:streamInfo():dynamicMetadata():get("gatepost")
  if not owed then return end
  local headers = handle:headers()
  if vary then
    local line = headers:get("vary")
    if not line then
      headers:add("vary", vary)
    elseif line ~= "*" and not find("," .. string.gsub(lower(line), "%s", "") .. ",", "," .. vary .. ",", 1, true) then
      headers:replace("vary", line .. ", " .. vary)
    end
  end
  local location = headers:get("location")
  local url = location and restored(location, owed)
  if url then headers:replace("location", url) end
  local content = headers:get("content-location")
  url = content and restored(content, owed)
  if url then headers:replace("content-location", url) end
  local refresh = headers:get("refresh")
  if refresh then
    local seconds, rest = match(refresh, "^(%d+;%s*url=)(.*)$")
    url = rest and restored(rest, owed)
    if url then headers:replace("refresh", seconds .. url) end
  end
  local cookie = headers:get("set-cookie")
  if cookie and find(cookie, owed.upstream, 1, true) then
    local lines = {}
    for i = 0, headers:getNumValues("set-cookie") - 1 do lines[i] = headers:getAtIndex("set-cookie", i) end
    headers:remove("set-cookie")
    for i = 0, #lines do
      headers:add("set-cookie", (string.gsub(lines[i], "([Dd]omain=)" .. string.gsub(owed.upstream, "%p", "%%%0"), "%1" .. match(owed.client, "^[^:]*"))))
    end
  end
end
