-- The commit: one entry goes behind the last one, or nothing happens. Each condition answers for one thing that can
-- go wrong; see append.py, which names the answers.
--
-- KEYS: events, tip, commands, epoch
-- ARGV: kind (append | take_over), entry ID, writer, previous entry ID, payload, chain, last command ID, epoch
local events, tip, commands, epochs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local kind, entry, writer, previous = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local payload, chain, command, epoch = ARGV[5], ARGV[6], ARGV[7], ARGV[8]

local there = redis.call('HMGET', tip, 'id', 'writer')
local last, owner = there[1] or '0-0', there[2]

if last == entry and owner == writer then
  return 'done'
end
if last ~= previous then
  return 'fenced'
end
if kind == 'take_over' then
  local counter = tonumber(redis.call('GET', epochs) or '0')
  local reached = tonumber(string.match(last, '^(%d+)-'))
  if tonumber(epoch) ~= math.max(counter, reached) + 1 then
    return 'epoch_taken'
  end
  redis.call('SET', epochs, epoch)
else
  if owner ~= writer then
    return 'fenced'
  end
  if command ~= '0-0' and #redis.call('XRANGE', commands, command, command) == 0 then
    return 'commands_lost'
  end
end
redis.call('XADD', events, entry, 'entry', payload, 'chain', chain)
redis.call('HSET', tip, 'id', entry, 'writer', writer, 'chain', chain)
return 'appended'
