-- Changes the leases of KEYS[1], a hash of replica to "amount:end in ms" by the clock of this server.
-- ARGV: what (take, give, beat), replica, ms that leases live, then of take need, want and cap, of give the amount.
-- Returns granted, leased by all, own.
local what, replica, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local others, own, held = 0, 0, false
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local amount, ends = string.match(fields[i + 1], '^(-?%d+):(%d+)$')
  if tonumber(ends) <= now then
    redis.call('HDEL', KEYS[1], fields[i])
  elseif fields[i] == replica then
    own, held = tonumber(amount), true
  else
    others = others + math.max(0, tonumber(amount))
  end
end
local granted = 0
if what == 'take' then
  local need, want, cap = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  local room = cap - others - own
  if room >= need then
    granted = math.min(want, room)
  end
  own = own + granted
elseif what == 'give' and held then
  own = own - tonumber(ARGV[4])
end
if own ~= 0 then
  redis.call('HSET', KEYS[1], replica, string.format('%.0f:%.0f', own, now + ttl))
  redis.call('PEXPIRE', KEYS[1], ttl)
elseif held then
  redis.call('HDEL', KEYS[1], replica)
end
return {granted, others + math.max(0, own), own}
