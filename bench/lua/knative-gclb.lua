-- The policy knative-gclb in Envoy's Lua filter, as fast as we can write it. Above this stands what is generated from the policy:
-- `mappings`, a table of host to authority without any private host.

local byte, find, gmatch, lower, match, sub = string.byte, string.find, string.gmatch, string.lower, string.match, string.sub

local guarded = {
  "knative-serving-namespace", "knative-serving-revision", "k-network-hash", "k-network-probe", "k-kubelet-probe",
  "k-original-host",
}

-- Asking first is cheaper than removing at once: a removal makes Envoy select the route again.
local function strip(headers, original)
  for i = 1, #guarded do
    local name = guarded[i]
    if headers:get(name) then headers:remove(name) end
  end
  if original then
    headers:replace("x-forwarded-host", original)
  elseif headers:get("x-forwarded-host") then
    headers:remove("x-forwarded-host")
  end
end

local function private(name)
  return sub(name, -18) == ".svc.cluster.local" or sub(name, -4) == ".svc" or sub(name, -8) == ".default"
    or name == "internal-my-service.default.example.com"
end

-- The host of an authority as policies compare it, and the port with its colon. Nothing when it is no valid authority.
local function normalise(authority)
  if byte(authority) == 91 then
    local literal, port = match(authority, "^(%[[%x:.]+%])(:?%d*)$")
    return literal, port == ":" and "" or port
  end
  local name, port = authority, ""
  local colon = find(authority, ":", 1, true)
  if colon then
    name, port = sub(authority, 1, colon - 1), sub(authority, colon)
    if port == ":" then
      port = ""
    elseif not find(port, "^:%d+$") or tonumber(sub(port, 2)) > 65535 then
      return nil
    end
  end
  if byte(name, -1) == 46 then name = sub(name, 1, -2) end
  if not find(name, "^[%w_-][%w_.-]*$") or byte(name, -1) == 46 or find(name, "..", 1, true) or #name > 253 then return nil end
  if #name > 63 then
    for label in gmatch(name, "[^.]+") do
      if #label > 63 then return nil end
    end
  end
  return lower(name), port
end

-- The cluster's networks: RFC 1918, RFC 6598, loopback, and their like in IPv6.
local function inside(handle)
  local address = handle:streamInfo():downstreamRemoteAddress()
  local a, b = match(address, "^(%d+)%.(%d+)%.")
  if not a then return find(address, "^%[f[cd]") ~= nil or find(address, "^%[::1%]") ~= nil end
  a, b = tonumber(a), tonumber(b)
  return a == 10 or a == 127 or (a == 172 and b >= 16 and b < 32) or (a == 192 and b == 168) or (a == 100 and b >= 64 and b < 128)
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local agent = headers:get("user-agent")
  if agent then
    local prefix = sub(agent, 1, 8)
    if prefix == "GoogleHC" then
      if headers:get(":method") == "GET" and match(headers:get(":path"), "^[^?]*") == "/" and not headers:get("via") then
        strip(headers)
        headers:replace(":authority", "istio-ingress.gke-system.svc.cluster.local:15020")
        headers:replace(":path", "/healthz/ready")
        return
      end
    elseif prefix == "Knative-" or sub(agent, 1, 11) == "kube-probe/" then
      if not headers:get("via") and inside(handle) then return end
    end
  end
  local given = headers:get(":authority")
  local mapped = mappings[given]
  if not mapped then
    local name, port = normalise(given)
    if not name then
      handle:respond({ [":status"] = "400" }, "invalid Host\n")
      return
    end
    if private(name) then
      handle:respond({ [":status"] = "404" }, "not found\n")
      return
    end
    mapped = mappings[name]
    if not mapped then
      strip(headers)
      local normal = port == "" and name or name .. port
      if normal ~= given then headers:replace(":authority", normal) end
      return
    end
  end
  strip(headers, given)
  headers:replace(":authority", mapped)
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("gatepost", "client", given)
  metadata:set("gatepost", "upstream", mapped)
end

-- No header chooses what answers.
local vary = nil

-- The client's host in a URL that names the one that was written; nothing where it does not.
local function restored(url, owed)
  local start, after, scheme = find(url, "^(%w*):?//")
  if not start or (scheme ~= "" and not find(lower(scheme), "^https?$")) then return nil end
  local stop = find(url, "[/?#]", after + 1) or #url + 1
  local name, port = normalise(sub(url, after + 1, stop - 1))
  if name ~= owed.upstream or (port ~= "" and port ~= ":80" and port ~= ":443") then return nil end
  return sub(url, 1, after) .. owed.client .. sub(url, stop)
end
