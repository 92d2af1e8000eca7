-- The rules of tables.py and bans.py, decided in Redis or Valkey: all that is asked of a request in one call, by one clock.
--
-- KEYS: one for each check, then the set of replicas.
-- ARGV: microseconds (0: the server's clock), this replica's name ('': not now), then for each check its sort, a cost and four numbers.
-- Answers with numbers in words: how many replicas there are (0: not asked), then for each check admitted, remaining, after, reset.
--
-- Numbers are doubles: each one here is whole and below 2^53, so that no digit is lost. What does not read as a state, of whatever
-- type, counts as used up, and is replaced by a state that is over after one window: never an open door, nor a closed one for good. So is
-- what lies further ahead than now could have put it: the clock was set back.

local GONE = 30000000 -- microseconds after which a replica that was not heard of is not counted

local now = tonumber(ARGV[1])
local longer = 1 -- milliseconds
if now ~= 0 then
  longer = 3600000 -- a clock that is given need not go as fast as the server's, by which keys end
else
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function text(number) return string.format('%.0f', number) end
local function quotient(a, b) return math.floor(a / b) end

local function keep(key, numbers, life)
  local words = {}
  for place, number in ipairs(numbers) do words[place] = text(number) end
  redis.call('SET', key, table.concat(words, ':'), 'PX', text(quotient(life, 1000) + longer))
end

-- The whole numbers that a key holds, at most so many: nil if there is no key, false if it holds anything else.
local function read(key, least, most)
  local value = redis.pcall('GET', key)
  if value == false then return nil end
  if type(value) ~= 'string' or #value > 17 * most or string.find(value, '[^%d:]') then return false end
  local numbers = {}
  for word in string.gmatch(value, '%d+') do
    if #word > 16 then return false end
    numbers[#numbers + 1] = tonumber(word)
  end
  if #numbers < least or #numbers > most then return false end
  return numbers
end

local function bucket(waits)
  return function(key, cost, interval, depth)
    local state, ahead = read(key, 1, 1), 0
    if state then ahead = math.max(state[1] - now, 0) end
    if state == false or ahead > depth then
      ahead = depth
      keep(key, {now + depth}, depth)
    end
    local after = ahead + interval * cost
    if after > depth then return {0, quotient(depth - ahead, interval), after - depth, ahead} end
    return {1, quotient(depth - after, interval), waits and ahead or 0, after}, function()
      keep(key, {now + after}, after)
    end
  end
end

local function fixed(key, cost, limit, per)
  local state, start, count = read(key, 2, 2), now, 0
  if state == false or state and state[1] > now then
    state = {now, state and state[2] or limit}
    keep(key, state, per)
  end
  if state and now - state[1] < per then start, count = state[1], state[2] end
  local left, free = start + per - now, limit - count
  if free < cost then return {0, math.max(free, 0), left, left} end
  return {1, free - cost, 0, left}, function()
    keep(key, {start, count + cost}, left)
  end
end

-- How many came in all, then the time of the last and the number of each run. Those that are over are left out; those of the future
-- came now, which is kept at once: or they would be of the future until the clock has caught up.
local function log_of(key, limit, per, grain)
  local state = read(key, 3, 5 + 2 * quotient(per, grain))
  if state == false or state and #state % 2 == 0 then
    state = {limit, now, limit}
    keep(key, state, per)
  end
  local log = {0}
  local future = state and state[#state - 1] > now
  for place = 2, #(state or {}), 2 do
    local time, count = math.min(state[place], now), state[place + 1]
    if time > now - per then
      log[1] = log[1] + count
      if log[#log - 1] == time then
        log[#log] = log[#log] + count
      else
        log[#log + 1] = time
        log[#log + 1] = count
      end
    end
  end
  if future then keep(key, log, per) end
  return log
end

local function sliding(key, cost, limit, per, grain)
  local log = log_of(key, limit, per, grain)
  local free = limit - log[1]
  if free < cost then
    local above, place = cost - free, 2
    while above > log[place + 1] do
      above = above - log[place + 1]
      place = place + 2
    end
    return {0, math.max(free, 0), log[place] + per - now, log[#log - 1] + per - now}
  end
  return {1, free - cost, 0, per}, function()
    log[1] = log[1] + cost
    if #log > 1 and quotient(log[#log - 1], grain) == quotient(now, grain) then
      log[#log - 1], log[#log] = now, log[#log] + cost
    else
      log[#log + 1], log[#log + 2] = now, cost
    end
    keep(key, log, per)
  end
end

-- Bans. A record is: failures since, how many, how often it was banned lately, when the ban ends, until when it is trusted.
local function lasts(level, base, longest) return math.min(base * 2 ^ level, longest) end

local function record_of(key, base, longest, trust)
  local record = read(key, 5, 5)
  if record == false then -- unknown, so as bad as it can be
    record = {now, 0, 1, now + base, 0}
    keep(key, record, 2 * base)
  end
  record = record or {0, 0, 0, 0, 0}
  if record[1] > now or record[4] > now + longest or record[5] > now + trust then -- the clock was set back
    record[1], record[4], record[5] = math.min(record[1], now), math.min(record[4], now + longest), math.min(record[5], now + trust)
    keep(key, record, math.max(3 * longest, trust))
  end
  return record
end

local function standing(record, after)
  local left = math.max(record[4] - now, 0)
  return {left == 0 and 1 or 0, after - record[2], left, math.max(record[5] - now, 0)}
end

local function banned(key, _, after, base, longest, trust)
  return standing(record_of(key, base, longest, trust), after), function() end
end

-- `cost` holds the window in which failures count, and the jitter, in thousandths, in its last three digits.
local function strike(key, cost, after, base, longest, trust)
  local record = record_of(key, base, longest, trust)
  if now < record[5] or now < record[4] then return standing(record, after), function() end end
  local within, jitter = quotient(cost, 1000), cost % 1000
  if now - record[1] >= within then record[1], record[2] = now, 0 end
  record[2] = record[2] + 1
  if record[2] >= after then
    local level, quiet = record[3], now - record[4]
    while level > 0 and quiet >= lasts(level - 1, base, longest) do
      level = level - 1
      quiet = quiet - lasts(level, base, longest)
    end
    local length = lasts(level, base, longest)
    local deepest = level > 0 and lasts(level - 1, base, longest) >= longest
    record = {now, 0, deepest and level or level + 1, now + math.min(length + quotient(length * jitter, 1000), longest), record[5]}
  end
  return standing(record, after), function() keep(key, record, math.max(3 * longest, within)) end
end

local function prove(key, _, after, _, _, trust)
  return {1, after, 0, trust}, function() keep(key, {0, 0, 0, 0, now + trust}, trust) end
end

local SORTS = {
  bucket = bucket(false), leaky = bucket(true), fixed = fixed, sliding = sliding,
  ban = banned, strike = strike, prove = prove,
}

local answers, commits, admitted = {}, {}, true
for place = 1, #KEYS - 1 do
  local at = 3 + (place - 1) * 6
  local numbers = {}
  for offset = 1, 5 do numbers[offset] = tonumber(ARGV[at + offset]) end
  local answer, commit = SORTS[ARGV[at]](KEYS[place], unpack(numbers))
  answers[place], commits[place] = answer, commit
  admitted = admitted and (answer[1] == 1 or ARGV[at] == 'strike')
end
if admitted then
  for _, commit in ipairs(commits) do commit() end
end

local replicas = 0
if ARGV[2] ~= '' then
  local members = KEYS[#KEYS]
  redis.call('ZADD', members, text(now), ARGV[2])
  redis.call('ZREMRANGEBYSCORE', members, '-inf', text(now - GONE))
  redis.call('PEXPIRE', members, text(2 * quotient(GONE, 1000)))
  replicas = redis.call('ZCARD', members)
end

local words = {text(replicas)}
for _, answer in ipairs(answers) do
  for _, number in ipairs(answer) do words[#words + 1] = text(number) end
end
return table.concat(words, ' ')
