/* The hottest mechanisms of the month in C: the same algorithms on the same arrays as abm/, function by function.

   layout.h is made from the numpy dtypes by benchmarks/native.py: records, World, State, Rows, Parameters, constants.
   Names are those of abm/, so that a rule can be read side by side. */

#include "layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
#define SMALL_SORT 16

/* ---- abm/chance.py ---- */

static inline uint64_t mix(uint64_t value, uint64_t word) {
    uint64_t z = (value + UINT64_C(0x9E3779B97F4A7C15)) ^ word;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline double uniform(uint64_t seed, uint64_t event, uint64_t key, uint64_t occasion) {
    const uint64_t bits = mix(mix(mix(mix(0, seed), event), key), occasion);
    return ((double)(bits >> 12) + 0.5) * 0x1p-52;
}

static inline double exponential(uint64_t seed, uint64_t event, uint64_t key, uint64_t occasion) {
    return -log(uniform(seed, event, key, occasion));
}

static inline double normal(uint64_t seed, uint64_t event, uint64_t key, uint64_t occasion) {
    const uint64_t first = occasion << 1;
    const double radius = sqrt(-2.0 * log(uniform(seed, event, key, first)));
    return radius * cos(2.0 * PI * uniform(seed, event, key, first | 1));
}

/* ---- abm/queues.py, abm/registers.py ---- */

static inline bool before(const Entry *one, const Entry *another) {
    return one->rank > another->rank || (one->rank == another->rank && one->who < another->who);
}

static int64_t push(Entry *heap, int64_t size, double rank, int32_t who) {
    heap[size].rank = rank;
    heap[size].who = who;
    for (int64_t n = size; n > 0 && before(&heap[n], &heap[(n - 1) / 2]); n = (n - 1) / 2) {
        const Entry entry = heap[n];
        heap[n] = heap[(n - 1) / 2];
        heap[(n - 1) / 2] = entry;
    }
    return size + 1;
}

static double interest(int64_t f, int64_t i, const World *world, const State *state) {
    const double seen = world->potential[f * world->potential_columns + i];
    if (world->centres[f].strategy == FIRST_COME && seen > 0.0)
        return 1.0 / (2.0 + state->persons[i].aware_since);
    return seen;
}

static void join_queues(int64_t i, const World *world, const State *state) {
    Person *person = &state->persons[i];
    for (int64_t f = 0; f < state->centres_size; f++) {
        Centre *centre = &state->centres[f];
        if (!centre->queueing)
            continue;
        const double rank = interest(f, i, world, state);
        if (rank > 0.0 && !(((person->visited | person->queued) >> f) & 1)) {
            person->queued |= UINT32_C(1) << f;
            centre->waiting = push(state->queue + f * state->queue_columns, centre->waiting, rank, (int32_t)i);
        }
    }
}

/* ---- abm/state.py ---- */

static inline bool is_known(uint8_t stage) { return stage >= IDENTIFIED && stage <= ACTIVE; }

static inline void move(int64_t e, uint8_t stage, const State *state) {
    Pair *pair = &state->pairs[e];
    if (is_known(pair->stage))
        state->cases[pair->place].stage = stage;
    state->stages[pair->stage] -= 1;
    state->stages[stage] += 1;
    pair->stage = stage;
}

static void count_adopter(int64_t i, int change, const World *world, const State *state) {
    const Participant *fixed = &world->participants[i];
    Person *person = &state->persons[i];
    Town *town = &state->towns[fixed->municipality];
    person->live += change;
    town->exchanges += change;
    if ((change == 1 && person->live == 1) || (change == -1 && person->live == 0)) {
        town->adopters += change;
        state->adopters_of_sector[fixed->sector] += change;
        state->adopters_of_size[fixed->size] += change;
        state->tally->adopting_firms += change * fixed->firm;
    }
}

static void count_exchange(const Case *one, int change, const World *world, const State *state) {
    count_adopter(one->supplier, change, world, state);
    count_adopter(one->receiver, change, world, state);
    state->supply_free[one->supply] -= change * one->quantity;
    state->demand_free[one->demand] -= change * one->quantity;
    state->suppliers[one->demand] += change;
    state->live_of_route[one->byproduct] += change;
    state->live_here[one->here * state->live_here_columns + one->byproduct] += change;
    state->towns[one->here].changes += 1;
    if (!one->neighbours) {
        state->live_here[one->there * state->live_here_columns + one->byproduct] += change;
        state->towns[one->there].changes += 1;
    }
}

/* ---- abm/worth.py ---- */

static inline double net_saving(double distance, const Byproduct *route) {
    return (route->emission_saving - TRUCK * route->mass * distance) / 1000.0;
}

static inline double premium(const Case *one, const Levers *lever) { return 1.0 + lever->procurement * one->public; }

static inline double margin(const Case *one, const Byproduct *route, double price, const Levers *lever) {
    const double disposal = route->gate_fee + route->landfill_share * lever->landfill_tax;
    const double carbon = lever->carbon_price * one->saved;
    const double unpriced = disposal + carbon - route->processing - route->transport * one->distance;
    return premium(one, lever) * route->substitution * one->fit * price + unpriced;
}

static inline double value_share(const Case *one, int side, double spread) {
    const double omega = one->found == BROKER ? 0.5 : 0.5 + spread * one->split;
    return side == 0 ? omega : 1.0 - omega;
}

static inline double trust(const Case *one, const Person *donor, const Person *user, const Parameters *p) {
    double strangers = 1.0 - donor->social * user->social;
    if (one->neighbours)
        strangers *= 1.0 - p->transaction.neighbour_trust;
    return 1.0 - strangers;
}

static inline double friction(const Case *one, const Person *donor, const Person *user, const Parameters *p) {
    const double surcharge = one->cross ? p->transaction.cross_surcharge : 0.0;
    return (1.0 + surcharge) * (1.0 - p->transaction.trust_cut * trust(one, donor, user, p));
}

static inline double enforcement(double rub, const Parameters *p) {
    return p->transaction.wage * p->transaction.multiplier * p->transaction.enforce_hours * rub;
}

static inline double search_cost(uint8_t found, const Person *person, const Parameters *p) {
    const double hour =
        p->transaction.wage * p->transaction.multiplier * pow(1.0 + person->agreements, -p->transaction.learning);
    return hour * p->transaction.search_hours * (1.0 - p->transaction.broker_cut * (found == BROKER));
}

static void pay(int64_t i, double amount, const World *world, const State *state) {
    const Participant *fixed = &world->participants[i];
    Account *account = state->account;
    const double subsidy = state->lever->subsidy * amount, own = amount - subsidy;
    account->subsidy += subsidy;
    if (fixed->firm)
        account->transaction_firms += own;
    else
        account->transaction_utilities += own;
    state->ledger[fixed->municipality].spent += own;
}

/* ---- abm/discovery.py: the calendar ---- */

static inline void unlink_pair(int64_t e, Pair *pairs, int32_t *calendar) {
    Pair *pair = &pairs[e];
    if (pair->place == NEVER_DUE)
        return;
    if (pair->previous >= 0)
        pairs[pair->previous].next = pair->next;
    else
        calendar[pair->place] = pair->next;
    if (pair->next >= 0)
        pairs[pair->next].previous = pair->previous;
    pair->place = NEVER_DUE;
}

static inline void put_due(int64_t e, int64_t month, Pair *pairs, int32_t *calendar, int64_t months) {
    Pair *pair = &pairs[e];
    pair->place = NEVER_DUE;
    if (month >= months)
        return;
    pair->place = (int32_t)month;
    pair->previous = -1;
    pair->next = calendar[month];
    if (pair->next >= 0)
        pairs[pair->next].previous = (int32_t)e;
    calendar[month] = (int32_t)e;
}

static inline double searched(const Opportunity *pair, const Person *donor, const Person *user) {
    return pair->weight * (donor->attention * donor->search + user->attention * user->search);
}

static inline void reschedule(int64_t e, int64_t t, const World *world, const State *state) {
    const Opportunity *pair = &world->pairs[e];
    const Person *donor = &state->persons[pair->supplier], *user = &state->persons[pair->receiver];
    const Pair *clocks = &state->pairs[e];
    const double attention = donor->attention * donor->aware + user->attention * user->aware;
    const double rate = world->fastest_search * pair->weight * attention;
    const double own = rate > 0.0 ? (clocks->self_target - searched(pair, donor, user)) / rate : INFINITY;
    const double broker = 12.0 * (clocks->broker_target - state->coverage[pair->coverage * state->coverage_columns + pair->shelf].screening);
    const double months = broker < own ? broker : own;
    int64_t wait = state->calendar_size;
    if (months < (double)wait) {
        wait = (int64_t)(months * SAFETY);
        if (wait < 1)
            wait = 1;
    }
    unlink_pair(e, state->pairs, state->calendar);
    put_due(e, t + wait, state->pairs, state->calendar, state->calendar_size);
}

static uint64_t key_of(int64_t e, const World *world) {
    const Opportunity *pair = &world->pairs[e];
    const uint64_t parties = mix(world->participants[pair->supplier].key, world->participants[pair->receiver].key);
    return mix(parties, world->routes[pair->byproduct].key);
}

static void start_screening(int64_t e, int64_t t, const Parameters *p, const World *world, const State *state) {
    const Opportunity *pair = &world->pairs[e];
    Pair *clocks = &state->pairs[e];
    Coverage *coverage = &state->coverage[pair->coverage * state->coverage_columns + pair->shelf];
    const double threshold = exponential(world->seed, CHANCE_FOUND_BROKER, key_of(e, world), clocks->attempt);
    const double hit = p->discovery.hit_rate * exp(-pair->distance / p->discovery.broker_distance);
    clocks->broker_target = coverage->screening + threshold / hit;
    coverage->candidates += 1;
    reschedule(e, t, world, state);
}

static void become_latent(int64_t e, int64_t t, const Parameters *p, const World *world, const State *state) {
    const Opportunity *pair = &world->pairs[e];
    Pair *clocks = &state->pairs[e];
    const Person *donor = &state->persons[pair->supplier], *user = &state->persons[pair->receiver];
    move(e, LATENT, state);
    const double threshold = exponential(world->seed, CHANCE_FOUND_SELF, key_of(e, world), clocks->attempt);
    clocks->self_target = searched(pair, donor, user) + threshold;
    clocks->broker_target = INFINITY;
    if (donor->registered && user->registered)
        start_screening(e, t, p, world, state);
    else
        reschedule(e, t, world, state);
}

static void become_aware(int64_t i, int64_t t, int64_t done, const World *world, const State *state) {
    state->persons[i].aware = true;
    state->persons[i].aware_since = (int32_t)t;
    join_queues(i, world, state);
    const uint32_t *const end = world->own + world->first[i + 1];
    for (const uint32_t *e = world->own + world->first[i]; e < end; e++)
        if (state->pairs[*e].stage == LATENT)
            reschedule(*e, done, world, state);
}

static void leave(int64_t e, uint8_t stage, const State *state) {
    Pair *pair = &state->pairs[e];
    const bool known = is_known(pair->stage);
    const int32_t place = pair->place;
    move(e, stage, state);
    if (known) {
        state->cases[place].support = 0.0;
        pair->place = NEVER_DUE;
    } else {
        unlink_pair(e, state->pairs, state->calendar);
    }
    pair->attempt += 1;
}

static void rest(int64_t c, int64_t t, const Parameters *p, const State *state) {
    const int64_t e = state->cases[c].pair;
    leave(e, RESTING, state);
    put_due(e, t + p->discovery.cool_down, state->pairs, state->calendar, state->calendar_size);
}

/* ---- abm/learning.py ---- */

static inline double drift(double level, double start, double gain, double decay) {
    const double won = level + gain * (1.0 - level);
    return won - decay * (won - start);
}

static inline double power(double base, int64_t exponent) {
    double result = 1.0;
    for (; exponent > 0; exponent--)
        result *= base;
    return result;
}

void learning(int64_t t, const Parameters *restrict p, const World *restrict world, const State *restrict state) {
    const Levers lever = *state->lever;
    const double live_knowledge = 1.0 - (1.0 - p->learning.knowledge_own / 12.0);
    const double live_social = 1.0 - (1.0 - p->learning.social_own / 12.0);
    const double knowledge_decay = p->learning.knowledge_decay / 12.0, social_decay = p->learning.social_decay / 12.0;
    const double finds = p->discovery.finds, social_gain = p->discovery.social_gain;
    const Town *const towns = state->towns;
    double *const adopting = state->adopting;
    for (int64_t m = 0; m < state->towns_size; m++) {
        const int32_t members = towns[m].members;
        state->towns[m].adopting = (double)towns[m].adopters / (members > 1 ? members : 1);
    }
    for (int64_t s = 0; s < state->adopting_size; s++) {
        const int64_t members = state->members_of_sector[s];
        adopting[s] = (double)state->adopters_of_sector[s] / (double)(members > 1 ? members : 1);
    }
    for (int64_t i = 0; i < state->persons_size; i++) {
        Person *person = &state->persons[i];
        Learner *learner = &state->learners[i];
        if (!person->present)
            continue;
        const Town *town = &towns[learner->municipality];
        int64_t trainings = 0, events = 0;
        while (town->training >= learner->next_training) {
            trainings++;
            learner->trainings += 1;
            learner->next_training +=
                exponential(world->seed, CHANCE_TRAINING, world->participants[i].key, (uint64_t)learner->trainings);
        }
        while (town->event >= learner->next_event) {
            events++;
            learner->events += 1;
            learner->next_event +=
                exponential(world->seed, CHANCE_EVENT, world->participants[i].key, (uint64_t)learner->events);
        }
        if (!person->aware) {
            const double outreach = p->learning.aware_municipal * town->maturity;
            const double peers = p->learning.aware_peers * 0.5 * (town->adopting + adopting[learner->sector]);
            double clock = learner->aware_clock;
            clock += (p->learning.aware_spontaneous + outreach + peers + lever.campaign) / 12.0;
            if (trainings > 0)
                clock -= (double)trainings * log(1.0 - p->learning.aware_training);
            if (events > 0)
                clock -= (double)events * log(1.0 - p->learning.aware_event);
            learner->aware_clock = clock;
            if (clock >= learner->aware_threshold)
                become_aware(i, t, t - 1, world, state);
        }
        double knowledge = person->live > 0 ? live_knowledge : 0.0, social = person->live > 0 ? live_social : 0.0;
        if (trainings + events > 0) {
            const double missed = power(1.0 - p->learning.knowledge_training, trainings) *
                                  power(1.0 - p->learning.knowledge_event, events);
            knowledge = 1.0 - missed * (1.0 - knowledge);
            social = 1.0 - power(1.0 - p->learning.social_event, events) * (1.0 - social);
        }
        person->knowledge = drift(person->knowledge, learner->knowledge_start, knowledge, knowledge_decay);
        person->social = drift(person->social, learner->social_start, social, social_decay);
        if (person->aware)
            person->search += (finds * (1.0 + social_gain * person->social) + lever.marketplace) / 12.0;
    }
}

/* ---- abm/cases.py, abm/discovery.py: the step ---- */

static int64_t take_place(const State *state) {
    Tally *tally = state->tally;
    const int64_t c = tally->free;
    if (c == NONE)
        return tally->cases++;
    tally->free = state->cases[c].pair;
    return c;
}

static void describe(Case *one, int64_t e, const Parameters *p, const World *world, const State *state) {
    const Opportunity *pair = &world->pairs[e];
    const Participant *donor = &world->participants[pair->supplier], *user = &world->participants[pair->receiver];
    const Byproduct *route = &world->routes[pair->byproduct];
    const double supplied = world->supplies[pair->supply].quantity, wanted = world->demands[pair->demand].quantity;
    const double spread = p->opportunities.fit_spread;
    one->key = mix(mix(donor->key, user->key), route->key);
    one->pair = (int32_t)e;
    one->attempt = state->pairs[e].attempt;
    one->supplier = pair->supplier;
    one->receiver = pair->receiver;
    one->supply = pair->supply;
    one->demand = pair->demand;
    one->here = donor->municipality;
    one->there = user->municipality;
    one->cross = donor->nace2 != user->nace2;
    one->neighbours = donor->municipality == user->municipality;
    one->byproduct = pair->byproduct;
    one->coverage = pair->coverage;
    one->distance = pair->distance;
    one->fit = exp(spread * normal(world->seed, CHANCE_FIT, one->key, 0) - 0.5 * spread * spread);
    one->split = 2.0 * uniform(world->seed, CHANCE_SPLIT, one->key, 0) - 1.0;
    one->public = world->public[user->sector];
    one->saved = net_saving(pair->distance, route);
    one->carbon = one->saved * (wanted < supplied ? wanted : supplied);
}

static void identify(int64_t e, uint8_t found, int64_t t, const Parameters *p, const World *world, const State *state) {
    const Opportunity *fixed = &world->pairs[e];
    Tally *tally = state->tally;
    unlink_pair(e, state->pairs, state->calendar);
    if (state->persons[fixed->supplier].registered && state->persons[fixed->receiver].registered)
        state->coverage[fixed->coverage * state->coverage_columns + fixed->shelf].candidates -= 1;
    const int64_t c = take_place(state);
    Case *one = &state->cases[c];
    describe(one, e, p, world, state);
    one->clock = one->quantity = one->support = one->agreed = 0.0;
    one->look = one->identified_at = (int32_t)t;
    one->losing = one->refused = 0;
    one->carriers = 0;
    one->started_at = one->ended_at = NEVER_DUE;
    one->cause = NO_CAUSE;
    one->found = found;
    one->threshold = exponential(world->seed, CHANCE_FORGOTTEN, one->key, (uint64_t)one->attempt);
    move(e, IDENTIFIED, state);
    state->pairs[e].place = (int32_t)c;
    one->stage = IDENTIFIED;
    state->found[tally->found++] = (uint32_t)e;
    if (found == SELF)
        state->account->found_self += 1;
    else
        state->account->found_broker += 1;
}

static void drop_lost(const State *state) {
    Tally *tally = state->tally;
    Case *cases = state->cases;
    uint32_t *moving = state->moving;
    int64_t kept = 0;
    for (int64_t n = 0; n < tally->moving; n++) {
        const uint32_t c = moving[n];
        if (is_known(cases[c].stage)) {
            moving[kept++] = c;
        } else {
            cases[c].pair = (int32_t)tally->free;
            tally->free = c;
        }
    }
    tally->moving = kept;
}

/* Quicksort with the middle one of three as pivot, and insertion for what is short. */
static void sort(uint32_t *array, int64_t size) {
    while (size > SMALL_SORT) {
        const uint32_t a = array[0], b = array[size / 2], c = array[size - 1];
        const uint32_t pivot = a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));
        int64_t left = 0, right = size - 1;
        for (;; left++, right--) {
            while (array[left] < pivot)
                left++;
            while (pivot < array[right])
                right--;
            if (left >= right)
                break;
            const uint32_t swapped = array[left];
            array[left] = array[right];
            array[right] = swapped;
        }
        sort(array + left, size - left);
        size = left;
    }
    for (int64_t n = 1; n < size; n++) {
        const uint32_t value = array[n];
        int64_t place = n;
        for (; place > 0 && array[place - 1] > value; place--)
            array[place] = array[place - 1];
        array[place] = value;
    }
}

static void take_in_found(const State *state) {
    Tally *tally = state->tally;
    uint32_t *moving = state->moving;
    const int64_t count = tally->found;
    if (count == 0)
        return;
    const uint32_t *const new = state->found;
    int64_t last = tally->moving - 1, write = tally->moving + count - 1;
    for (int64_t n = count - 1; n >= 0; n--) {
        while (last >= 0 && (uint32_t)state->cases[moving[last]].pair > new[n])
            moving[write--] = moving[last--];
        moving[write--] = (uint32_t)state->pairs[new[n]].place;
    }
    tally->moving += count;
    tally->found = 0;
}

static void pay_search(int64_t i, uint8_t found, const Parameters *p, const World *world, const State *state) {
    const Person *person = &state->persons[i];
    if (found == BROKER || person->aware)
        pay(i, search_cost(found, person, p), world, state);
}

static void tell(int64_t i, int64_t t, const World *world, const State *state) {
    if (!state->persons[i].aware)
        become_aware(i, t, t, world, state);
}

void discovery(int64_t t, const Parameters *restrict p, const World *restrict world, const State *restrict state) {
    drop_lost(state);
    for (int32_t e = state->calendar[t], following; e >= 0; e = following) {
        const Opportunity *pair = &world->pairs[e];
        const Pair *clocks = &state->pairs[e];
        following = clocks->next;
        if (clocks->stage == RESTING)
            become_latent(e, t, p, world, state);
        else if (searched(pair, &state->persons[pair->supplier], &state->persons[pair->receiver]) >=
                 clocks->self_target)
            identify(e, SELF, t, p, world, state);
        else if (state->coverage[pair->coverage * state->coverage_columns + pair->shelf].screening >= clocks->broker_target)
            identify(e, BROKER, t, p, world, state);
        else
            reschedule(e, t, world, state);
    }
    sort(state->found, state->tally->found);
    for (int64_t n = 0; n < state->tally->found; n++) {
        const Opportunity *pair = &world->pairs[state->found[n]];
        const uint8_t found = state->cases[state->pairs[state->found[n]].place].found;
        pay_search(pair->supplier, found, p, world, state);
        pay_search(pair->receiver, found, p, world, state);
    }
    for (int64_t n = 0; n < state->tally->found; n++) {
        const Opportunity *pair = &world->pairs[state->found[n]];
        tell(pair->supplier, t, world, state);
        tell(pair->receiver, t, world, state);
    }
    take_in_found(state);
}

/* ---- abm/operation.py ---- */

static inline bool operate(const Case *one, double watching, const Parameters *p, const World *world,
                           const State *state) {
    Account *account = state->account;
    const Levers *lever = state->lever;
    const Byproduct *route = &world->routes[one->byproduct];
    const Market *market = &state->market[route->commodity];
    const double price = market->price + market->top_up;
    const double yearly = one->quantity * margin(one, route, price, lever);
    bool losing = false;
    for (int side = 0; side < 2; side++) {
        const double own = value_share(one, side, p->worth.split_spread) * yearly - watching;
        Town *town = &state->towns[side == 0 ? one->here : one->there];
        town->saving += own;
        town->carbon += 0.5 * one->saved * one->quantity;
        account->saving += own / 12.0;
        losing = losing || own < 0.0;
    }
    account->enforcement += 2.0 * watching / 12.0;
    account->carbon += one->saved * one->quantity / 12.0;
    const double replaced = route->substitution * one->fit * one->quantity;
    account->price_floor += replaced * market->top_up / 12.0;
    const double premiums = replaced * (premium(one, lever) - 1.0) * price / 12.0;
    account->procurement += premiums;
    state->ledger[one->there].paid += premiums;
    state->tally->freight += (route->emission_saving / 1000.0 - one->saved) * one->quantity;
    return losing;
}

static void end(int64_t c, uint8_t cause, int64_t t, const Parameters *p, const World *world, const State *state) {
    Case *one = &state->cases[c];
    state->account->ended_loss += cause == LOSS;
    state->account->ended_process += cause == PROCESS;
    state->account->ended_exit += cause == EXIT;
    count_exchange(one, -1, world, state);
    state->persons[one->supplier].social *= 1.0 - p->learning.social_loss;
    state->persons[one->receiver].social *= 1.0 - p->learning.social_loss;
    one->quantity = 0.0;
    one->ended_at = (int32_t)t;
    one->cause = cause;
    rest(c, t, p, state);
}

void operation(int64_t t, const Parameters *restrict p, const World *restrict world, const State *restrict state) {
    for (int64_t m = 0; m < state->towns_size; m++)
        state->towns[m].saving = state->towns[m].carbon = 0.0;
    state->tally->freight = 0.0;
    const int64_t count = state->tally->moving;
    for (int64_t n = 0; n < count; n++) {
        const uint32_t c = state->moving[n];
        Case *one = &state->cases[c];
        if (one->stage != ACTIVE)
            continue;
        const Person *donor = &state->persons[one->supplier], *user = &state->persons[one->receiver];
        const double watching = enforcement(friction(one, donor, user, p), p);
        one->losing = operate(one, watching, p, world, state) ? one->losing + 1 : 0;
        const double trusted = trust(one, donor, user, p);
        one->clock += p->operation.end_rate * (1.0 - p->operation.trust_cut * trusted) / 12.0;
        if (one->losing >= p->operation.patience) {
            end(c, LOSS, t, p, world, state);
        } else if (one->clock >= one->threshold) {
            end(c, PROCESS, t, p, world, state);
        }
    }
}

/* ---- abm/observe.py ---- */

static inline double share(double part, double whole) { return whole > 0.0 ? part / whole : NAN; }

static void observe_people(const State *state, Row *row) {
    int64_t people = 0, adopters = 0, aware = 0, registered = 0;
    double knowledge = 0.0, social = 0.0;
    for (int64_t s = 0; s < state->members_of_size_size; s++) {
        people += state->members_of_size[s];
        adopters += state->adopters_of_size[s];
    }
    for (int64_t i = 0; i < state->persons_size; i++) {
        const Person *person = &state->persons[i];
        if (person->present) {
            aware += person->aware;
            registered += person->registered;
            knowledge += person->knowledge;
            social += person->social;
        }
    }
    row->adoption = share((double)adopters, (double)people);
    row->adoption_firms = share((double)state->tally->adopting_firms, (double)state->tally->firms);
    row->aware = share((double)aware, (double)people);
    row->knowledge = share(knowledge, (double)people);
    row->social_capital = share(social, (double)people);
    row->firms = (double)state->tally->firms;
    row->registered = (double)registered;
}

static void observe_exchanges(const Parameters *p, const World *world, const State *state, Row *row) {
    const Levers *lever = state->lever;
    double tonnes = 0.0, heat = 0.0, water = 0.0, shared = 0.0, virgin = 0.0, moved_up = 0.0, imports = 0.0;
    double carbon = 0.0, saving = 0.0, cross = 0.0, caseload = 0.0;
    for (int64_t n = 0; n < state->tally->moving; n++) {
        const Case *one = &state->cases[state->moving[n]];
        caseload += one->support;
        if (one->stage != ACTIVE)
            continue;
        const Byproduct *route = &world->routes[one->byproduct];
        const Market *market = &state->market[route->commodity];
        const double quantity = one->quantity;
        if (route->kind == ENERGY) {
            heat += quantity;
        } else if (route->kind == WATER) {
            water += quantity;
        } else if (route->kind == SHARING) {
            shared += 1.0;
        } else {
            tonnes += quantity;
            virgin += route->substitution * one->fit * quantity;
            moved_up += route->disposed * quantity;
        }
        imports += route->imported * route->substitution * one->fit * quantity * market->price / MILLION;
        carbon += one->saved * quantity;
        const Person *donor = &state->persons[one->supplier], *user = &state->persons[one->receiver];
        const double watching = 2.0 * enforcement(friction(one, donor, user, p), p);
        const double gain = margin(one, route, market->price + market->top_up, lever);
        saving += (gain * quantity - watching) / MILLION;
        cross += one->cross;
    }
    row->tonnes = tonnes;
    row->heat = heat;
    row->water = water;
    row->shared = shared;
    row->virgin_avoided = virgin;
    row->moved_up = moved_up;
    row->imports_avoided = imports;
    row->carbon_rate = carbon;
    row->saving_rate = saving;
    row->cross_sector = share(cross, (double)state->stages[ACTIVE]);
    row->caseload = caseload;
}

static inline void exchange(double *array, int64_t a, int64_t b) {
    const double swapped = array[a];
    array[a] = array[b];
    array[b] = swapped;
}

/* As Numba's median: the middle one of three as pivot, which ends at its own place. */
static int64_t partition(double *array, int64_t low, int64_t high) {
    const int64_t middle = (low + high) >> 1;
    if (array[middle] < array[low])
        exchange(array, low, middle);
    if (array[high] < array[middle])
        exchange(array, high, middle);
    if (array[middle] < array[low])
        exchange(array, low, middle);
    const double pivot = array[middle];
    exchange(array, high, middle);
    int64_t i = low, j = high - 1;
    for (;; i++, j--) {
        while (i < high && array[i] < pivot)
            i++;
        while (j >= low && pivot < array[j])
            j--;
        if (i >= j)
            break;
        exchange(array, i, j);
    }
    exchange(array, i, high);
    return i;
}

static double median(double *array, int64_t size) {
    const int64_t half = size >> 1;
    int64_t low = 0, high = size - 1;
    for (;;) {
        const int64_t i = partition(array, low, high);
        if (i == half)
            break;
        if (i < half)
            low = i + 1;
        else
            high = i - 1;
    }
    if (size & 1)
        return array[half];
    double below = array[0];
    for (int64_t n = 1; n < half; n++)
        if (array[n] > below)
            below = array[n];
    return (below + array[half]) / 2;
}

static inline uint32_t root(uint32_t *parent, uint32_t i) {
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

static void observe_network(const State *state, Row *row) {
    const uint32_t *const moving = state->moving;
    const int64_t count = state->tally->moving;
    const Case *const cases = state->cases;
    uint32_t *const parent = state->parent;
    double *const distance = malloc((size_t)(state->stages[ACTIVE] + 1) * sizeof *distance);
    int64_t live = 0, joined = 0, adopters = 0;
    for (int64_t n = 0; n < count; n++) {
        const Case *one = &cases[moving[n]];
        if (one->stage == ACTIVE) {
            distance[live++] = one->distance;
            parent[one->supplier] = one->supplier;
            parent[one->receiver] = one->receiver;
        }
    }
    for (int64_t n = 0; n < count; n++) {
        const Case *one = &cases[moving[n]];
        if (one->stage == ACTIVE) {
            const uint32_t donor = root(parent, one->supplier), user = root(parent, one->receiver);
            if (donor != user) {
                parent[donor] = user;
                joined++;
            }
        }
    }
    for (int64_t s = 0; s < state->adopters_of_size_size; s++)
        adopters += state->adopters_of_size[s];
    row->distance = live > 0 ? median(distance, live) : NAN;
    row->components = (double)(adopters - joined);
    row->degree = share(2.0 * (double)live, (double)adopters);
    free(distance);
}

static void observe_account(const State *state, Row *row) {
    const Account *account = state->account;
    const int64_t *stages = state->stages;
    row->exchanges = (double)stages[ACTIVE];
    row->identified = (double)stages[IDENTIFIED];
    row->negotiating = (double)stages[NEGOTIATING];
    row->latent = (double)(stages[LATENT] + stages[RESTING]);
    row->found_self = account->found_self;
    row->found_broker = account->found_broker;
    row->forgotten = account->forgotten;
    row->talks = account->talks;
    row->failed = account->failed;
    row->started = account->started;
    row->ended_loss = account->ended_loss;
    row->ended_process = account->ended_process;
    row->carbon = account->carbon;
    row->saving = account->saving / MILLION;
    row->transaction_firms = account->transaction_firms / MILLION;
    row->transaction_utilities = account->transaction_utilities / MILLION;
    row->transaction_cost = row->transaction_firms + row->transaction_utilities + account->subsidy / MILLION;
    row->ended_exit = account->ended_exit;
    row->firms_closed = account->closed;
    row->firms_entered = account->entered;
    row->enforcement = account->enforcement / MILLION;
    row->investment = account->investment / MILLION;
}

static void observe_public(const State *state, Row *row) {
    const Account *account = state->account;
    const double national = account->cofinance + account->grant + account->subsidy + account->price_floor;
    const double cost = account->staff + account->administration, transfers = national + account->procurement;
    row->cofinance = account->cofinance / MILLION;
    row->grant = account->grant / MILLION;
    row->subsidy = account->subsidy / MILLION;
    row->price_floor = account->price_floor / MILLION;
    row->procurement = account->procurement / MILLION;
    row->tax_revenue = account->tax_revenue / MILLION;
    row->public_cost = cost / MILLION;
    row->transfers = transfers / MILLION;
    row->public_outlay = (cost + transfers) / MILLION;
    row->paid_national = (account->national + national) / MILLION;
    row->paid_region = account->region / MILLION;
    row->paid_municipal = (account->municipal + account->procurement) / MILLION;
    row->cost_per_tonne = share(cost + transfers, account->carbon);
    double staff = 0.0;
    for (int64_t f = 0; f < state->centres_size; f++)
        staff += state->centres[f].staff;
    row->staff = staff;
}

static void observe_region(const World *world, const State *state, Row *row) {
    const double towns = (double)state->towns_size, prices = (double)state->market_size;
    double maturity = 0.0, active = 0.0, relief = 0.0, index = 0.0;
    for (int64_t m = 0; m < state->towns_size; m++) {
        maturity += state->towns[m].maturity;
        active += state->towns[m].maturity == ACTIVE_MUNICIPALITY;
        relief += state->towns[m].relief;
    }
    for (int64_t k = 0; k < state->market_size; k++)
        index += state->market[k].price / world->price_process[k].price;
    row->maturity = maturity / towns;
    row->active_municipalities = active / towns;
    row->relief = relief / towns;
    row->price_index = index / prices;
}

static void observe_groups(const World *world, const State *state, double *groups) {
    const int64_t sizes = state->adopters_of_size_size, towns = state->towns_size;
    double by_maturity[3] = {0.0, 0.0, 0.0}, members[3] = {0.0, 0.0, 0.0};
    for (int64_t s = 0; s < sizes; s++)
        groups[s] = share((double)state->adopters_of_size[s], (double)state->members_of_size[s]);
    for (int64_t m = 0; m < towns; m++) {
        const Town *town = &state->towns[m];
        by_maturity[world->maturity[m]] += town->adopters;
        members[world->maturity[m]] += town->members;
        groups[sizes + 3 + m] = share(town->adopters, town->members);
    }
    for (int g = 0; g < 3; g++)
        groups[sizes + g] = share(by_maturity[g], members[g]);
    for (int64_t s = 0; s < state->adopters_of_sector_size; s++)
        groups[sizes + 3 + towns + s] =
            share((double)state->adopters_of_sector[s], (double)state->members_of_sector[s]);
}

void observe(int64_t t, const Parameters *restrict p, const World *restrict world, const State *restrict state,
             const Rows *restrict rows) {
    const int64_t month = t - world->spin_up;
    if (month < 0)
        return;
    Row *row = &rows->indicators[month];
    observe_people(state, row);
    observe_exchanges(p, world, state, row);
    observe_network(state, row);
    observe_account(state, row);
    observe_public(state, row);
    observe_region(world, state, row);
    observe_groups(world, state, rows->groups + month * rows->groups_columns);
}
