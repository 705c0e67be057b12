-- The policy asm-grpc-env in Envoy's Lua filter, as fast as we can write it. Above this stands what is generated from the policy:
-- `authorities`, a table of each allowed environment to the authority of its hint.

local byte, find, gmatch, lower, match, sub = string.byte, string.find, string.gmatch, string.lower, string.match, string.sub

local default = "env1"

local function private(name)
  return sub(name, -18) == ".svc.cluster.local" or sub(name, -4) == ".svc"
end

-- The host of an authority as policies compare it; nothing when it is no valid authority.
local function normalise(authority)
  if byte(authority) == 91 then return match(authority, "^(%[[%x:.]+%]):?%d*$") end
  local name = authority
  local colon = find(authority, ":", 1, true)
  if colon then
    local port = sub(authority, colon)
    name = sub(authority, 1, colon - 1)
    if port ~= ":" and (not find(port, "^:%d+$") or tonumber(sub(port, 2)) > 65535) then return nil end
  end
  if byte(name, -1) == 46 then name = sub(name, 1, -2) end
  if not find(name, "^[%w_-][%w_.-]*$") or byte(name, -1) == 46 or find(name, "..", 1, true) or #name > 253 then return nil end
  if #name > 63 then
    for label in gmatch(name, "[^.]+") do
      if #label > 63 then return nil end
    end
  end
  return lower(name)
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local name = normalise(headers:get(":authority"))
  if not name then
    handle:respond({ [":status"] = "400" }, "invalid Host\n")
    return
  end
  local env = headers:get("env") or default
  local authority = authorities[env]
  if not authority then
    env = lower(match(env, "^%s*(.-)%s*$"))
    if env == "" then env = default end
    authority = authorities[env]
    if not authority then
      handle:respond({ [":status"] = "404", ["vary"] = "env" }, "unknown environment\n")
      return
    end
  end
  if private(name) then
    handle:respond({ [":status"] = "404", ["vary"] = "env" }, "not found\n")
    return
  end
  local given = headers:get(":authority")
  headers:replace(":authority", authority)
  headers:replace("x-gatepost-env", env)
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("gatepost", "client", given)
  metadata:set("gatepost", "upstream", authority)
end

-- The header that chose the environment.
local vary = "env"

-- The client's host in a URL that names the one that was written; nothing where it does not.
local function restored(url, owed)
  local start, after, scheme = find(url, "^(%w*):?//")
  if not start or (scheme ~= "" and not find(lower(scheme), "^https?$")) then return nil end
  local stop = find(url, "[/?#]", after + 1) or #url + 1
  local name = normalise(sub(url, after + 1, stop - 1))
  if not name or name ~= match(owed.upstream, "^[^:]*") then return nil end
  return sub(url, 1, after) .. owed.client .. sub(url, stop)
end
