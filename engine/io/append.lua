-- The commit: one entry goes behind the last one, or nothing happens. Each condition answers for one thing that can
-- go wrong; see append.py, which names the answers.
--
-- KEYS: events, tip, commands, epoch
-- ARGV: kind (append | take_over), entry ID, writer, previous entry ID, its chain, payload, chain, epoch, last command
--       ID, and where it is a new one its sender and number
local events, tip, commands, epochs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local kind, entry, writer, previous, before = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local payload, chain, epoch = ARGV[6], ARGV[7], ARGV[8]
local command, sender, number = ARGV[9], ARGV[10], ARGV[11]

local function is_there()
  local found = redis.call('XRANGE', commands, command, command)[1]
  local of = {}
  for at = 1, found and #found[2] or 0, 2 do
    of[found[2][at]] = found[2][at + 1]
  end
  return found and (sender == '' or ((of.sender or '') == sender and (of.number or '') == number))
end

local there = redis.call('HMGET', tip, 'id', 'chain', 'writer')
local last, reached, owner = there[1] or '0-0', there[2] or before, there[3]

if last == entry and reached == chain then
  return 'done'
end
if last ~= previous or reached ~= before then
  return 'fenced'
end
if kind == 'take_over' then
  local counter = tonumber(redis.call('GET', epochs) or '0')
  local highest = math.max(counter, tonumber(string.match(last, '^(%d+)-')))
  if tonumber(epoch) ~= highest + 1 then
    return 'epoch_taken'
  end
  redis.call('SET', epochs, epoch)
else
  if owner ~= writer then
    return 'fenced'
  end
  if command ~= '0-0' and not is_there() then
    return 'commands_lost'
  end
end
redis.call('XADD', events, entry, 'entry', payload, 'chain', chain)
redis.call('HSET', tip, 'id', entry, 'writer', writer, 'chain', chain)
return 'appended'
