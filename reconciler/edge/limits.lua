-- The rules of tables.py and bans.py, decided in Redis or Valkey: all that is asked of a request in one call, by one clock.
--
-- KEYS: one for each check, then the set of replicas.
-- ARGV: microseconds (0: the server's clock), this replica's name ('': not now), then for each check its sort, a cost and four numbers.
-- Answers with numbers in words: how many replicas there are (0: not asked), then for each check admitted, remaining, after, reset.
--
-- Numbers are doubles: each one here is whole and below 2^53, so that no digit is lost. What does not read as a state, of whatever
-- type, counts as used up, and is replaced by a state that is over after one window: never an open door, nor a closed one for good. So is
-- what lies further ahead than now could have put it: the clock was set back.
--
-- All of this runs anew with every call: a function that is only made, and not called, takes a tenth of a microsecond, of ten in all.

local GONE = 30000000 -- microseconds after which a replica that was not heard of is not counted

local floor, format, match = math.floor, string.format, string.match
local now = tonumber(ARGV[1])
local longer = 1 -- milliseconds
if now ~= 0 then
  longer = 3600000 -- a clock that is given need not go as fast as the server's, by which keys end
else
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

-- `life` in microseconds
local function keep(key, state, life) redis.call('SET', key, state, 'PX', floor(life / 1000) + longer) end

-- What a key holds: nil if there is none, '' if it holds no text of at most so many characters.
local function read(key, most)
  local value = redis.pcall('GET', key)
  if value == false then return nil end
  return type(value) == 'string' and #value <= most and value or ''
end

-- Each rule is asked with whether to count, its key, the cost and its numbers. It returns admitted (1 or 0), remaining, after and reset.

local function bucket(take, key, cost, interval, depth, waits)
  local value, ahead = read(key, 16), 0
  if value then
    ahead = match(value, '^%d+$') and value - now or depth + 1
    if ahead < 0 then
      ahead = 0
    elseif ahead > depth then
      ahead = depth
      keep(key, format('%d', now + depth), depth)
    end
  end
  local after = ahead + interval * cost
  if after > depth then return 0, floor((depth - ahead) / interval), after - depth, ahead end
  if take then keep(key, format('%d', now + after), after) end
  return 1, floor((depth - after) / interval), waits == '1' and ahead or 0, after
end

-- Its state: when the window began, and how many came.
local function fixed(take, key, cost, limit, per)
  local value, start, count = read(key, 33), now, 0
  if value then
    local began, came = match(value, '^(%d+):(%d+)$')
    began, came = tonumber(began) or now + 1, math.min(tonumber(came) or limit, limit)
    if began > now then
      began = now
      keep(key, format('%d:%d', began, came), per)
    end
    if now - began < per then start, count = began, came end
  end
  local left, free = start + per - now, limit - count
  if free < cost then return 0, math.max(free, 0), left, left end
  if take then keep(key, format('%d:%d', start, count + cost), left) end
  return 1, free - cost, 0, left
end

-- Its state: how many came in all, time and number of the last run, then of the others from the oldest on. So most requests change only
-- what is in front.
local function runs(total, last, count, rest) return format('%d:%d:%d%s', total, last, count, rest) end

-- The same without the runs that are over. Those of the future came now, which is kept at once: or they would be of the future until the
-- clock has caught up.
local function settled(key, last, count, rest, per)
  local total, times, counts = 0, {}, {}
  for time, number in string.gmatch(format('%s:%d:%d', rest, last, count), ':(%d+):(%d+)') do
    time = math.min(time, now)
    if time > now - per then
      local place = times[#times] == time and #times or #times + 1
      times[place], counts[place] = time, (counts[place] or 0) + number
      total = total + number
    end
  end
  rest = ''
  for place = 1, #times - 1 do rest = format('%s:%d:%d', rest, times[place], counts[place]) end
  local newest, came = times[#times] or now, counts[#times] or 0
  if last > now then keep(key, runs(total, newest, came, rest), per) end
  return total, newest, came, rest
end

local function sliding(take, key, cost, limit, per, grain)
  local value = read(key, 17 * (5 + 2 * floor(per / grain)))
  local total, last, count, rest = 0, now, 0, ''
  if value then
    total, last, count, rest = match(value, '^(%d+):(%d+):(%d+)(.*)$')
    if total and (rest == '' or string.gsub(rest, ':%d+:%d+', '') == '') then
      total, last, count = tonumber(total), tonumber(last), tonumber(count)
    else
      total, last, count, rest = limit, now + 1, limit, ''
    end
    if last > now or (tonumber(match(rest, '^:(%d+)')) or last) <= now - per then
      total, last, count, rest = settled(key, last, count, rest, per)
    end
  end
  local free = limit - total
  if free < cost then
    local above, waits = cost - free, last
    for time, number in string.gmatch(rest, ':(%d+):(%d+)') do
      above = above - number
      if above <= 0 then
        waits = tonumber(time)
        break
      end
    end
    return 0, math.max(free, 0), waits + per - now, last + per - now
  end
  if take then
    if floor(last / grain) == floor(now / grain) then
      count = count + cost
    else
      rest, count = format('%s:%d:%d', rest, last, count), cost
    end
    keep(key, runs(total + cost, now, count, rest), per)
  end
  return 1, free - cost, 0, per
end

-- Bans. A record is: failures since, how many, how often it was banned lately, when the ban ends, until when it is trusted.
local function of_bans()
  local function keep_record(key, record, life) keep(key, format('%d:%d:%d:%d:%d', unpack(record)), life) end

  local function record_of(key, value, base, longest, trust)
    local record = {match(value, '^(%d+):(%d+):(%d+):(%d+):(%d+)$')}
    for place = 1, #record do record[place] = tonumber(record[place]) end
    if #record == 0 then -- unknown, so as bad as it can be
      record = {now, 0, 1, now + base, 0}
      keep_record(key, record, 2 * base)
    end
    if record[1] > now or record[4] > now + longest or record[5] > now + trust then -- the clock was set back
      record[1], record[4], record[5] = math.min(record[1], now), math.min(record[4], now + longest), math.min(record[5], now + trust)
      keep_record(key, record, math.max(3 * longest, trust))
    end
    return record
  end

  local function standing(record, after)
    local left = math.max(record[4] - now, 0)
    return left == 0 and 1 or 0, after - record[2], left, math.max(record[5] - now, 0)
  end

  local function lasts(level, base, longest) return math.min(base * 2 ^ level, longest) end

  -- `cost` holds the window in which failures count, and the jitter, in thousandths, in its last three digits.
  local function struck(record, cost, after, base, longest)
    local within, jitter = floor(cost / 1000), cost % 1000
    if now - record[1] >= within then record[1], record[2] = now, 0 end
    record[2] = record[2] + 1
    if record[2] < after then return record end
    local level, quiet = record[3], now - record[4]
    while level > 0 and quiet >= lasts(level - 1, base, longest) do
      level = level - 1
      quiet = quiet - lasts(level, base, longest)
    end
    local length = lasts(level, base, longest)
    local deepest = level > 0 and lasts(level - 1, base, longest) >= longest
    return {now, 0, deepest and level or level + 1, now + math.min(length + floor(length * jitter / 1000), longest), record[5]}
  end

  return function(sort, key, value, cost, after, base, longest, trust)
    longest, trust = tonumber(longest), tonumber(trust)
    if sort == 'prove' then
      keep_record(key, {0, 0, 0, 0, now + trust}, trust)
      return 1, after, 0, trust
    end
    local record = value and record_of(key, value, base, longest, trust) or {0, 0, 0, 0, 0}
    if sort == 'strike' and now >= record[5] and now >= record[4] then
      record = struck(record, cost, after, base, longest)
      keep_record(key, record, math.max(3 * longest, floor(cost / 1000)))
    end
    return standing(record, after)
  end
end

local function ask(place, take)
  local at, key = place * 6 - 3, KEYS[place]
  local sort, cost, first, second = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if sort == 'bucket' then return bucket(take, key, cost, first, second, ARGV[at + 4]) end
  if sort == 'fixed' then return fixed(take, key, cost, first, second) end
  if sort == 'sliding' then return sliding(take, key, cost, first, second, ARGV[at + 4]) end
  local value = read(key, 84)
  if sort == 'ban' and not value then return 1, first, 0, 0 end -- a stranger, as nearly all are
  return of_bans()(sort, key, value, cost, first, second, ARGV[at + 4], ARGV[at + 5])
end

-- The last is counted at once where all others admit, then the others: mostly there is none but a ban, which is not counted.
local answers, admitted, last = {}, true, #KEYS - 1
for place = 1, last do
  local well, remaining, after, reset = ask(place, admitted and place == last)
  answers[place + 1] = format('%d %d %d %d', well, remaining, after, reset)
  admitted = admitted and well == 1
end
if admitted then
  for place = 1, last - 1 do
    if ARGV[place * 6 - 3] ~= 'ban' then ask(place, true) end
  end
end

local replicas = 0
if ARGV[2] ~= '' then
  local members = KEYS[#KEYS]
  redis.call('ZADD', members, format('%d', now), ARGV[2])
  redis.call('ZREMRANGEBYSCORE', members, '-inf', format('%d', now - GONE))
  redis.call('PEXPIRE', members, 2 * floor(GONE / 1000))
  replicas = redis.call('ZCARD', members)
end

answers[1] = format('%d', replicas)
return table.concat(answers, ' ')
