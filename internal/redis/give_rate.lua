-- Gives back to the window of KEYS[1], if it is still the one that was taken from: a later one has longer to go.
-- ARGV: amount (below zero: more was used), ms until the window ends by the caller's clock.
local amount, expected = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = redis.call('PTTL', KEYS[1])
if left < 0 or left > expected + 1000 then
  return 0
end
amount = math.min(amount, tonumber(redis.call('GET', KEYS[1]) or '0'))
redis.call('DECRBY', KEYS[1], string.format('%.0f', amount))
return amount
