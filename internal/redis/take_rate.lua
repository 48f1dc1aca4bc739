-- Takes from the window of KEYS[1], which opens here when there is none. The key ends with the window.
-- ARGV: need, want, cap, window in ms. Returns granted, used, ms until the window ends (-1: none is open).
local need, want, cap, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local left = redis.call('PTTL', KEYS[1])
local used = 0
if left >= 0 then
  used = tonumber(redis.call('GET', KEYS[1]) or '0')
else
  left = -1
end
local granted = 0
if cap - used >= need then
  granted = math.min(want, cap - used)
end
if granted > 0 then
  if left < 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', granted), 'PX', window)
    left = window
  else
    redis.call('INCRBY', KEYS[1], string.format('%.0f', granted))
  end
end
return {granted, used + granted, left}
