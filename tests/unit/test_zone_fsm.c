// SPDX-License-Identifier: BSD-3-Clause
// The zone state machine under a fake clock: scenarios, and walks of random events.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/serial.h"
#include "understudy/zone_fsm.h"
#include "unit/unit.h"

#define S(seconds) ((uint64_t)(seconds)*1000)

// refresh 100 s, retry 10 s, expire 1000 s
static struct soa soa_of(uint32_t serial)
{
	return (struct soa){ .serial = serial, .refresh_s = 100, .retry_s = 10, .expire_s = 1000 };
}

static struct zone_fsm z;
static uint64_t now_ms;
static char did[512]; // the actions of the last step

static void write_action(const struct zone_action *a, char *text, size_t size)
{
	switch (a->kind) {
	case ZONE_ACTION_QUERY_SOA: snprintf(text, size, "ask %u", a->primary); break;
	case ZONE_ACTION_IXFR: snprintf(text, size, "ixfr %u", a->primary); break;
	case ZONE_ACTION_AXFR: snprintf(text, size, "axfr %u", a->primary); break;
	case ZONE_ACTION_CANCEL: snprintf(text, size, "cancel %u", a->primary); break;
	case ZONE_ACTION_PUBLISH: snprintf(text, size, "publish"); break;
	case ZONE_ACTION_MARK_EXPIRED: snprintf(text, size, "expired"); break;
	case ZONE_ACTION_MARK_SERVED: snprintf(text, size, "served"); break;
	case ZONE_ACTION_TIMER:
		if (a->at_ms == ZONE_FSM_NEVER)
			snprintf(text, size, "timer -");
		else
			snprintf(text, size, "timer %" PRIu64, a->at_ms / 1000);
		break;
	}
}

static const char *step(struct zone_event event)
{
	struct zone_actions actions;
	zone_fsm_step(&z, &event, now_ms, &actions);
	did[0] = '\0';
	for (unsigned i = 0; i < actions.count; i++) {
		char one[64] = "?";
		write_action(&actions.list[i], one, sizeof(one));
		snprintf(did + strlen(did), sizeof(did) - strlen(did), "%s%s", i ? ", " : "", one);
	}
	return did;
}

static const char *happens(enum zone_event_kind kind)
{
	return step((struct zone_event){ .kind = kind });
}

static const char *notified(unsigned primary)
{
	return step((struct zone_event){ .kind = ZONE_EVENT_NOTIFY, .primary = primary });
}

static const char *notified_of(unsigned primary, uint32_t serial)
{
	return step((struct zone_event){ .kind = ZONE_EVENT_NOTIFY,
					 .primary = primary,
					 .has_serial = true,
					 .serial = serial });
}

// The event answers the current exchange.
static const char *answered(enum zone_event_kind kind, uint32_t serial)
{
	return step(
		(struct zone_event){ .kind = kind, .exchange = z.exchange, .soa = soa_of(serial) });
}

static const char *failed(enum zone_event_kind kind)
{
	return step((struct zone_event){
		.kind = kind, .exchange = z.exchange, .reason = XFR_REASON_REFUSED });
}

static void fresh(unsigned primaries)
{
	zone_fsm_init(&z, &zone_fsm_limits_default, primaries);
	now_ms = 0;
}

// A zone of serial 1, loaded at time 0.
static void loaded(unsigned primaries)
{
	fresh(primaries);
	happens(ZONE_EVENT_START);
	answered(ZONE_EVENT_XFR_DONE, 1);
	CU_ASSERT_EQUAL_FATAL(z.data, ZONE_SERVED);
	CU_ASSERT_EQUAL_FATAL(z.phase, ZONE_FSM_IDLE);
}

static void first_transfer(void)
{
	fresh(1);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_START), "axfr 0");
	now_ms = S(3);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 1), "publish, timer 103");
	CU_ASSERT_EQUAL(z.failures, 0);
	CU_ASSERT_EQUAL(z.refreshed_ms, S(3));
	CU_ASSERT_EQUAL(z.expire_ms, S(1003));
}

static void first_transfer_tries_all_and_backs_off(void)
{
	fresh(2);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_START), "axfr 0");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "axfr 1");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "timer 1");
	CU_ASSERT_EQUAL(z.last_reason, XFR_REASON_REFUSED);
	// 1, 2, 4 … s, at most 60.
	uint64_t expected_s = 1;
	for (int i = 0; i < 100; i++) {
		now_ms = z.timer_ms;
		CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "axfr 0, timer -");
		failed(ZONE_EVENT_XFR_FAILED);
		failed(ZONE_EVENT_XFR_FAILED);
		expected_s = expected_s * 2 < 60 ? expected_s * 2 : 60;
		CU_ASSERT_EQUAL(z.timer_ms, now_ms + S(expected_s));
	}
	now_ms = z.timer_ms;
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "axfr 1");
	answered(ZONE_EVENT_XFR_DONE, 7);
	CU_ASSERT_EQUAL(z.data, ZONE_SERVED);
	CU_ASSERT_EQUAL(z.failures, 0);
	CU_ASSERT_EQUAL(z.last_reason, XFR_REASON_NONE);
}

static void refresh_unchanged(void)
{
	loaded(1);
	now_ms = S(99);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "timer 100"); // too early
	now_ms = S(100);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "ask 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 1), "timer 200");
	CU_ASSERT_EQUAL(z.expire_ms, S(1100));
}

static void refresh_newer(void)
{
	loaded(1);
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ixfr 0");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 2), "publish, timer 200");
	CU_ASSERT_EQUAL(z.soa.serial, 2);
}

// RFC 1982: 0 is newer than 2^32 - 1.
static void serial_wraps(void)
{
	fresh(1);
	happens(ZONE_EVENT_START);
	answered(ZONE_EVENT_XFR_DONE, UINT32_MAX);
	CU_ASSERT_STRING_EQUAL(notified_of(0, UINT32_MAX), "");
	CU_ASSERT_STRING_EQUAL(notified_of(0, 0), "ixfr 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "publish, timer 100");
}

static void all_primaries_are_asked(void)
{
	loaded(3);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_REFRESH), "ask 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 1), "ask 1");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "ask 2");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 5), "ixfr 2");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 5), "publish, timer 100");
}

static void older_is_no_confirmation(void)
{
	loaded(2);
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "ask 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "timer 110");
	CU_ASSERT_EQUAL(z.expire_ms, S(1000));
	CU_ASSERT_EQUAL(z.last_reason, XFR_REASON_OLDER);
	CU_ASSERT_EQUAL(z.failures, 1);
}

static void failed_transfer_goes_to_the_next(void)
{
	loaded(2);
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ixfr 0");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "axfr 0");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "ask 1");
	// The other has only what we have: served on, but there is something newer.
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 1), "timer 110");
	CU_ASSERT_EQUAL(z.expire_ms, S(1100));
	CU_ASSERT_EQUAL(z.failures, 1);
}

static const char *unanswered(void)
{
	return step((struct zone_event){ .kind = ZONE_EVENT_XFR_FAILED,
					 .exchange = z.exchange,
					 .reason = XFR_REASON_TIMEOUT,
					 .unanswered = true });
}

// A primary that hangs is not asked for the whole zone before the others are asked; if they
// do not help, it may be that it knows no IXFR.
static void unanswered_transfer_goes_to_the_next(void)
{
	loaded(2);
	CU_ASSERT_STRING_EQUAL(notified_of(0, 2), "ixfr 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(unanswered(), "ask 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ixfr 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 2), "publish, timer 100");
	now_ms = S(1);
	CU_ASSERT_STRING_EQUAL(notified_of(0, 3), "ixfr 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(unanswered(), "ask 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "axfr 0, timer 1001");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 3), "publish, timer 101");
	// Neither answers: each is tried once, and one of them once more.
	now_ms = S(2);
	CU_ASSERT_STRING_EQUAL(notified_of(1, 4), "ixfr 1, timer 1001");
	CU_ASSERT_STRING_EQUAL(unanswered(), "ask 0");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 4), "ixfr 0");
	CU_ASSERT_STRING_EQUAL(unanswered(), "axfr 1");
	CU_ASSERT_STRING_EQUAL(unanswered(), "timer 3"); // the NOTIFY's serial is still wanted
	CU_ASSERT_EQUAL(z.last_reason, XFR_REASON_TIMEOUT);
	// The next round forgets it.
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_REFRESH), "ask 0, timer 1001");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "ask 1");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "timer 3");
}

// Memory that others need for the moment is there soon; it is not waited for as for a
// primary, but not asked for without end either.
static void memory_is_short(void)
{
	static const unsigned seconds[] = { 1, 2, 4, 8, 10, 10 }; // retry is 10
	loaded(1);
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	for (unsigned i = 0; i < sizeof(seconds) / sizeof(*seconds); i++) {
		CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ixfr 0");
		step((struct zone_event){ .kind = ZONE_EVENT_XFR_FAILED,
					  .exchange = z.exchange,
					  .reason = i & 1 ? XFR_REASON_NO_MEMORY
							  : XFR_REASON_LIMIT_BUDGET });
		CU_ASSERT_EQUAL(z.phase, ZONE_FSM_IDLE);
		CU_ASSERT_EQUAL(z.next_ms, now_ms + S(seconds[i]));
		now_ms = z.next_ms;
		happens(ZONE_EVENT_TIMER);
	}
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "timer 145"); // retry again
}

static void transfer_never_goes_back(void)
{
	loaded(1);
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	answered(ZONE_EVENT_SOA_ANSWER, 2);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "timer 110");
	CU_ASSERT_EQUAL(z.soa.serial, 1);
	CU_ASSERT_EQUAL(z.last_reason, XFR_REASON_OLDER);
}

static void expiry_and_recovery(void)
{
	loaded(1);
	for (now_ms = S(100); z.data == ZONE_SERVED; now_ms = z.timer_ms) {
		happens(ZONE_EVENT_TIMER);
		if (z.phase == ZONE_FSM_ASKING)
			failed(ZONE_EVENT_SOA_FAILED);
		CU_ASSERT_FATAL(now_ms <= S(1000));
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(did, "timer"));
	CU_ASSERT_EQUAL(z.data, ZONE_EXPIRED);
	// It asks on with retry, and the same serial is as good as a transfer.
	now_ms = z.timer_ms;
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "ask 0, timer -");
	answered(ZONE_EVENT_SOA_ANSWER, 1);
	CU_ASSERT_EQUAL(strncmp(did, "served, timer", 13), 0);
	CU_ASSERT_EQUAL(z.data, ZONE_SERVED);
	CU_ASSERT_EQUAL(z.expire_ms, now_ms + S(1000));
}

static void expiry_at_its_time(void)
{
	loaded(1);
	now_ms = S(100);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "ask 0, timer 1000");
	now_ms = S(999);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "timer 1000");
	now_ms = S(1000);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "expired, timer -");
	// The query was still out; its answer may be anything else than our serial.
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "axfr 0");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "publish, timer 1100");
	CU_ASSERT_EQUAL(z.data, ZONE_SERVED);
}

// A confirmation that comes with the expiry wins.
static void confirmation_at_expiry(void)
{
	loaded(1);
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	now_ms = S(1000);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 1), "timer 1100");
	CU_ASSERT_EQUAL(z.data, ZONE_SERVED);
}

static void notify_idle(void)
{
	loaded(3);
	CU_ASSERT_STRING_EQUAL(notified_of(2, 1), ""); // known
	CU_ASSERT_STRING_EQUAL(notified_of(2, 0), ""); // old
	CU_ASSERT_STRING_EQUAL(notified_of(2, 2), "ixfr 2, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 2), "publish, timer 100");
	CU_ASSERT_STRING_EQUAL(notified(1), "timer 0"); // not at once
	now_ms = 250;
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "ask 1, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ask 2, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ask 0");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "timer 100");
	now_ms = 500;
	CU_ASSERT_STRING_EQUAL(notified(1), "ask 1, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ask 2, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ask 0");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "timer 100");
}

static void notify_during_a_transfer(void)
{
	loaded(2);
	notified_of(0, 2);
	CU_ASSERT_STRING_EQUAL(notified_of(1, 3), "");
	CU_ASSERT_STRING_EQUAL(notified_of(1, 2), ""); // the newest is remembered
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 2), "publish, ixfr 1");
	// This time the transfer brings what the NOTIFY spoke of.
	notified_of(1, 4);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 4), "publish, timer 100");
	// One without serial is always followed.
	notified_of(0, 5);
	notified_of(0, 5);
	notified(0);
	notified_of(0, 5);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 5), "publish, ask 0");
}

// Where rounds fail, NOTIFYs start at most one a second; an operator is obeyed.
static void notify_after_failure(void)
{
	loaded(1);
	happens(ZONE_EVENT_REFRESH);
	notified(0);
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "timer 1");
	CU_ASSERT_STRING_EQUAL(notified(0), "");
	now_ms = S(1);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "ask 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "timer 11");
	now_ms += 500;
	CU_ASSERT_STRING_EQUAL(notified(0), "timer 2");
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_REFRESH), "ask 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "timer 11");
	now_ms += 1000;
	CU_ASSERT_STRING_EQUAL(notified(0), "ask 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 1), "timer 102");
	now_ms += 250;
	CU_ASSERT_STRING_EQUAL(notified(0), "ask 0, timer 1002");
}

static void retransfer(void)
{
	loaded(2);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_RETRANSFER), "axfr 0, timer 1000");
	// Whatever the serial, and on to the next.
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "axfr 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "publish, timer 100");
	CU_ASSERT_EQUAL(z.soa.serial, 0);
	CU_ASSERT_FALSE(z.forced);
	// In the middle of something: cancelled, and its events count no more.
	happens(ZONE_EVENT_REFRESH);
	uint32_t old = z.exchange;
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_RETRANSFER), "cancel 0, axfr 0");
	CU_ASSERT_STRING_EQUAL(step((struct zone_event){ .kind = ZONE_EVENT_SOA_ANSWER,
							 .exchange = old,
							 .soa = soa_of(9) }),
			       "");
	CU_ASSERT_STRING_EQUAL(
		step((struct zone_event){ .kind = ZONE_EVENT_XFR_FAILED, .exchange = old }), "");
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_RETRANSFER), "cancel 0, axfr 0");
	// It stays wanted until it succeeds.
	failed(ZONE_EVENT_XFR_FAILED);
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "timer 10");
	now_ms = S(10);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "axfr 0, timer 1000");
}

// A primary that lags behind is taken from only if the others fail.
static void retransfer_beside_one_that_lags(void)
{
	loaded(2);
	happens(ZONE_EVENT_RETRANSFER);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "axfr 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 1), "publish, timer 100");
	CU_ASSERT_EQUAL(z.soa.serial, 1);
	happens(ZONE_EVENT_RETRANSFER);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "axfr 1");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "axfr 0");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "publish, timer 100");
	CU_ASSERT_EQUAL(z.soa.serial, 0);
	CU_ASSERT_FALSE(z.forced);
}

static void reload(void)
{
	loaded(3);
	now_ms = S(1);
	notified(2);
	CU_ASSERT_STRING_EQUAL(step((struct zone_event){ .kind = ZONE_EVENT_RELOAD, .primary = 1 }),
			       "cancel 2, ask 0");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 1), "timer 101");
	now_ms = S(2);
	CU_ASSERT_STRING_EQUAL(notified(2), "ask 0, timer 1001"); // an index of the old list
}

static void no_primaries(void)
{
	fresh(0);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_START), "timer 1");
	now_ms = S(1);
	CU_ASSERT_STRING_EQUAL(notified(0), "timer 3");
}

static void limits(void)
{
	static const struct zone_fsm_limits narrow = {
		.refresh_min_s = 50,
		.refresh_max_s = 60,
		.retry_min_s = 20,
		.retry_max_s = 30,
		.expire_min_s = 10,
		.expire_max_s = 500,
		.unloaded_retry_min_s = 1,
		.unloaded_retry_max_s = 1,
	};
	zone_fsm_init(&z, &narrow, 1);
	now_ms = 0;
	happens(ZONE_EVENT_START);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 1), "publish, timer 60");
	CU_ASSERT_EQUAL(z.expire_ms, S(500));
	now_ms = S(60);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "timer 80");
	// A SOA of zeros and one of all ones.
	happens(ZONE_EVENT_RETRANSFER);
	CU_ASSERT_STRING_EQUAL(
		step((struct zone_event){ .kind = ZONE_EVENT_XFR_DONE, .exchange = z.exchange }),
		"publish, timer 110");
	CU_ASSERT_EQUAL(z.expire_ms, S(60 + 50 + 20)); // no sooner than refresh and retry
	happens(ZONE_EVENT_RETRANSFER);
	step((struct zone_event){ .kind = ZONE_EVENT_XFR_DONE,
				  .exchange = z.exchange,
				  .soa = { .refresh_s = UINT32_MAX,
					   .retry_s = UINT32_MAX,
					   .expire_s = UINT32_MAX } });
	CU_ASSERT_EQUAL(z.next_ms, S(60 + 60));
	CU_ASSERT_EQUAL(z.expire_ms, S(60 + 500));
}

// Bounds that become narrower hold for what is under way; wider ones for what follows.
static void limits_change(void)
{
	struct zone_fsm_limits other = zone_fsm_limits_default;
	loaded(1);
	now_ms = S(10);
	z.limits = &other;
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_LIMITS), "");
	other.refresh_max_s = 40;
	other.expire_max_s = 200;
	CU_ASSERT_STRING_EQUAL(step((struct zone_event){ .kind = ZONE_EVENT_LIMITS,
							 .random = UINT32_MAX / 2 + 1 }),
			       "timer 30");
	CU_ASSERT_EQUAL(z.expire_ms, S(210));
	other = zone_fsm_limits_default;
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_LIMITS), "");
	now_ms = S(30);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "timer 40");
	other.retry_max_s = 4;
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_LIMITS), "timer 30");
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_LIMITS), ""); // asked just now
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 1), "timer 130");
	CU_ASSERT_EQUAL(z.expire_ms, S(1030));
	fresh(1);
	happens(ZONE_EVENT_LIMITS);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_START), "axfr 0");
}

static void jitter(void)
{
	loaded(1);
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	step((struct zone_event){ .kind = ZONE_EVENT_SOA_ANSWER,
				  .exchange = z.exchange,
				  .random = UINT32_MAX,
				  .soa = soa_of(1) });
	CU_ASSERT(z.next_ms >= S(190) && z.next_ms <= S(190) + 1);
	CU_ASSERT_EQUAL(z.expire_ms, S(1100)); // expiry has none
}

// --- IXFR -----------------------------------------------------------------

static const char *current(uint32_t serial)
{
	return step((struct zone_event){ .kind = ZONE_EVENT_XFR_DONE,
					 .exchange = z.exchange,
					 .soa = soa_of(serial),
					 .current = true });
}

static void ixfr_falls_back(void)
{
	loaded(1);
	CU_ASSERT_STRING_EQUAL(notified_of(0, 2), "ixfr 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "axfr 0"); // the same primary
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 2), "publish, timer 100");
	// There is no use in it where nobody is to be reached.
	notified_of(0, 3);
	CU_ASSERT_STRING_EQUAL(step((struct zone_event){ .kind = ZONE_EVENT_XFR_FAILED,
							 .exchange = z.exchange,
							 .reason = XFR_REASON_CONNECT }),
			       "timer 1");
	CU_ASSERT(z.behind);
}

static void primary_without_ixfr(void)
{
	loaded(2);
	z.no_ixfr = 2;
	CU_ASSERT_STRING_EQUAL(notified_of(1, 2), "ask 1, timer 1000");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "axfr 1");
	answered(ZONE_EVENT_XFR_DONE, 2);
	CU_ASSERT_STRING_EQUAL(notified_of(0, 3), "ixfr 0, timer 1000");
}

// A NOTIFY comes before the primary has what it speaks of.
static void notify_ahead(void)
{
	static const uint64_t pauses_ms[] = { 250, 1000, 4000, 16000, 64000 };
	loaded(2);
	CU_ASSERT_STRING_EQUAL(notified_of(1, 2), "ixfr 1, timer 1000");
	current(1);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 1), "timer 0");
	for (int i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(z.next_ms, now_ms + pauses_ms[i]);
		CU_ASSERT_EQUAL(z.failures, 0);
		now_ms = z.next_ms;
		CU_ASSERT_EQUAL(strncmp(happens(ZONE_EVENT_TIMER), "ixfr 1", 6), 0);
		current(1);
		answered(ZONE_EVENT_SOA_ANSWER, 1);
	}
	CU_ASSERT_EQUAL(z.given_up, 1);
	CU_ASSERT_EQUAL(z.next_ms, now_ms + S(100));
	CU_ASSERT_FALSE(z.wanted);
	// The same NOTIFY again and again: a few rounds a second, not one each.
	now_ms += S(1);
	unsigned rounds = 0;
	uint64_t end_ms = now_ms + S(1);
	for (; now_ms < end_ms; now_ms++) {
		const char *done = notified_of(1, 2);
		if (!done[0] || strncmp(done, "timer", 5) == 0)
			done = happens(ZONE_EVENT_TIMER);
		if (strncmp(done, "ixfr", 4) == 0) {
			rounds++;
			current(1);
			answered(ZONE_EVENT_SOA_ANSWER, 1);
		}
	}
	CU_ASSERT(rounds >= 2 && rounds <= 5);
	// It comes at last.
	now_ms = z.next_ms;
	happens(ZONE_EVENT_TIMER);
	answered(ZONE_EVENT_XFR_DONE, 2);
	CU_ASSERT_FALSE(z.wanted);
	CU_ASSERT_EQUAL(z.given_up, 1);
}

// NOTIFYs of serials that rise and rise, none of which any primary has: forged, perhaps. No
// more than a few rounds a second come of them, whenever in a round they come.
static void notifies_that_rise(void)
{
	uint32_t serial = 2;
	unsigned rounds = 0;
	loaded(1);
	for (now_ms = S(1); now_ms < S(2); now_ms++) {
		const char *done = notified_of(0, serial++);
		if (now_ms >= z.timer_ms)
			done = happens(ZONE_EVENT_TIMER);
		if (strncmp(done, "ixfr", 4) == 0) {
			rounds++;
			CU_ASSERT_STRING_EQUAL(notified_of(0, serial++), "");
			current(1);
			CU_ASSERT_EQUAL_FATAL(z.phase, ZONE_FSM_IDLE);
		}
	}
	CU_ASSERT(rounds >= 3 && rounds <= 5);
	// One that comes true is followed at once, and so is the next.
	now_ms = z.next_ms;
	CU_ASSERT_EQUAL(strncmp(happens(ZONE_EVENT_TIMER), "ixfr 0", 6), 0);
	answered(ZONE_EVENT_XFR_DONE, serial);
	CU_ASSERT_EQUAL(z.phase, ZONE_FSM_IDLE);
	CU_ASSERT_EQUAL(strncmp(notified_of(0, serial + 1), "ixfr 0", 6), 0);
	notified_of(0, serial + 2);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, serial + 1), "publish, ixfr 0");
}

// --- policies -------------------------------------------------------------

static void older_accepted(void)
{
	loaded(2);
	z.policy.older = ZONE_FSM_OLDER_ACCEPT;
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	// While anybody confirms ours, it stays.
	answered(ZONE_EVENT_SOA_ANSWER, 0);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 1), "timer 200");
	now_ms = S(200);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_SOA_FAILED), "ask 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "axfr 1");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "timer 210");
	now_ms = S(210);
	happens(ZONE_EVENT_TIMER);
	answered(ZONE_EVENT_SOA_ANSWER, 0);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "axfr 0");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "publish, timer 310");
	CU_ASSERT_EQUAL(z.soa.serial, 0);
}

// A newer version is there, or promised, but does not come: ours stays while it is served.
static void older_beside_a_newer(void)
{
	loaded(2);
	z.policy.older = ZONE_FSM_OLDER_ACCEPT;
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ixfr 0");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "axfr 0");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "ask 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "timer 110");
	CU_ASSERT_STRING_EQUAL(notified_of(0, 3), "timer 101");
	now_ms = S(101);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "ixfr 0, timer 1000");
	CU_ASSERT_STRING_EQUAL(step((struct zone_event){ .kind = ZONE_EVENT_XFR_FAILED,
							 .exchange = z.exchange,
							 .reason = XFR_REASON_CONNECT }),
			       "ask 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "timer 102");
	CU_ASSERT_EQUAL(z.soa.serial, 1);
	// Nothing is worse than an expired one.
	now_ms = S(1000);
	happens(ZONE_EVENT_REFRESH);
	CU_ASSERT_EQUAL(z.data, ZONE_EXPIRED);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ixfr 0");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "axfr 0");
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "ask 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "axfr 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "publish, timer 1001");
}

static void older_refused_for_ever(void)
{
	loaded(1);
	z.policy.older = ZONE_FSM_OLDER_REFUSE;
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	now_ms = S(1000);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_EQUAL(z.data, ZONE_EXPIRED);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "timer 1010");
	CU_ASSERT_EQUAL(z.last_reason, XFR_REASON_OLDER);
	now_ms = S(1010);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ixfr 0");
}

static void serial_zero_refused(void)
{
	fresh(1);
	z.policy.refuse_serial_zero = true;
	happens(ZONE_EVENT_START);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 0), "timer 1");
	CU_ASSERT_EQUAL(z.last_reason, XFR_REASON_SERIAL_ZERO);
	CU_ASSERT_EQUAL(z.data, ZONE_NOT_LOADED);
	now_ms = S(1);
	happens(ZONE_EVENT_TIMER);
	answered(ZONE_EVENT_XFR_DONE, UINT32_MAX);
	CU_ASSERT_EQUAL(z.data, ZONE_SERVED);
	happens(ZONE_EVENT_REFRESH);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 0), "timer 11");
	CU_ASSERT_EQUAL(z.failures, 1);
}

static void short_refresh_lengthened(void)
{
	struct zone_event e = { .kind = ZONE_EVENT_XFR_DONE, .soa = { 1, 29, 10, 10000, 10 } };
	fresh(1);
	z.policy.lengthen_refresh = true;
	happens(ZONE_EVENT_START);
	e.exchange = z.exchange;
	CU_ASSERT_STRING_EQUAL(step(e), "publish, timer 1800");
	happens(ZONE_EVENT_RETRANSFER);
	e.exchange = z.exchange;
	e.soa.refresh_s = 30;
	CU_ASSERT_STRING_EQUAL(step(e), "publish, timer 30");
}

// --- EXPIRE and restarts --------------------------------------------------

static const char *told(enum zone_event_kind kind, uint32_t serial, uint32_t lasts_s)
{
	return step((struct zone_event){ .kind = kind,
					 .exchange = z.exchange,
					 .soa = soa_of(serial),
					 .has_expire = true,
					 .expire_s = lasts_s });
}

static void expire_of_the_primary(void)
{
	fresh(1);
	happens(ZONE_EVENT_START);
	told(ZONE_EVENT_XFR_DONE, 1, 400); // its own copy is old
	CU_ASSERT_EQUAL(z.expire_ms, S(400));
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	told(ZONE_EVENT_SOA_ANSWER, 1, 200); // never less than there was
	CU_ASSERT_EQUAL(z.expire_ms, S(400));
	now_ms = S(200);
	happens(ZONE_EVENT_TIMER);
	told(ZONE_EVENT_SOA_ANSWER, 1, 900);
	CU_ASSERT_EQUAL(z.expire_ms, S(1100));
	now_ms = S(300);
	happens(ZONE_EVENT_TIMER);
	told(ZONE_EVENT_SOA_ANSWER, 1, 5000); // never more than its SOA says
	CU_ASSERT_EQUAL(z.expire_ms, S(1300));
	now_ms = S(400);
	happens(ZONE_EVENT_TIMER);
	told(ZONE_EVENT_SOA_ANSWER, 2, 900);
	told(ZONE_EVENT_XFR_DONE, 2, 0); // a new version; at least the least
	CU_ASSERT_EQUAL(z.expire_ms, S(401));
}

static void restored(void)
{
	struct soa soa = soa_of(5);
	fresh(1);
	now_ms = S(50);
	zone_fsm_restore(&z, &soa, S(60), S(500));
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_START), "timer 60");
	now_ms = S(60);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "ask 0, timer 500");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 5), "timer 160");
	// One that has expired while we were away.
	fresh(1);
	now_ms = S(50);
	zone_fsm_restore(&z, &soa, S(10), S(20));
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_START), "expired, timer 10");
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "ask 0, timer -");
}

// --- walks ----------------------------------------------------------------

// What the caller of the machine would know, kept beside it.
struct walk {
	uint64_t rng;
	bool outstanding, transfer;
	uint32_t exchange;
	enum zone_state data;
	uint32_t serial;
	uint64_t timer_ms, confirmed_ms;
	bool forced, resigned;
	const char *broken; // the invariant that was violated
};

static uint32_t draw(struct walk *w)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (uint32_t)(w->rng >> 16);
}

static void want(struct walk *w, bool holds, const char *invariant)
{
	if (!holds && !w->broken)
		w->broken = invariant;
}

static void follow(struct walk *w, const struct zone_event *e, const struct zone_action *a)
{
	switch (a->kind) {
	case ZONE_ACTION_QUERY_SOA:
	case ZONE_ACTION_IXFR:
	case ZONE_ACTION_AXFR:
		want(w, !w->outstanding, "one exchange at a time");
		want(w, a->primary < z.primaries, "primaries that exist");
		want(w, a->exchange != 0 && a->exchange != w->exchange, "new exchange numbers");
		want(w, a->kind == ZONE_ACTION_AXFR || w->data != ZONE_NOT_LOADED,
		     "nothing to compare a serial with");
		w->outstanding = true;
		w->transfer = a->kind != ZONE_ACTION_QUERY_SOA;
		w->resigned = e->resigned && a->kind == ZONE_ACTION_AXFR;
		w->exchange = a->exchange;
		break;
	case ZONE_ACTION_CANCEL:
		want(w, w->outstanding && a->exchange == w->exchange, "cancels what is out");
		w->outstanding = false;
		break;
	case ZONE_ACTION_PUBLISH:
		want(w, e->kind == ZONE_EVENT_XFR_DONE, "publishes what was transferred");
		want(w,
		     w->forced || w->data != ZONE_SERVED ||
			     serial_newer(e->soa.serial, w->serial) ||
			     (w->resigned && e->soa.serial == w->serial),
		     "serials go forward");
		w->data = ZONE_SERVED;
		w->serial = e->soa.serial;
		w->forced = false;
		w->confirmed_ms = now_ms;
		break;
	case ZONE_ACTION_MARK_EXPIRED:
		want(w, w->data == ZONE_SERVED && now_ms >= z.expire_ms, "expires in time");
		w->data = ZONE_EXPIRED;
		break;
	case ZONE_ACTION_MARK_SERVED:
		want(w,
		     w->data == ZONE_EXPIRED && e->soa.serial == w->serial &&
			     (e->kind == ZONE_EVENT_SOA_ANSWER || e->kind == ZONE_EVENT_XFR_DONE),
		     "recovers when confirmed");
		w->data = ZONE_SERVED;
		break;
	case ZONE_ACTION_TIMER: w->timer_ms = a->at_ms; break;
	}
}

static void walk_step(struct walk *w, struct zone_event *e)
{
	struct zone_actions actions;
	bool answers =
		w->outstanding && e->exchange == w->exchange &&
		(w->transfer
			 ? e->kind == ZONE_EVENT_XFR_DONE || e->kind == ZONE_EVENT_XFR_FAILED
			 : e->kind == ZONE_EVENT_SOA_ANSWER || e->kind == ZONE_EVENT_SOA_FAILED);
	if (answers)
		w->outstanding = false;
	if (e->kind == ZONE_EVENT_RETRANSFER)
		w->forced = true;
	if (e->kind == ZONE_EVENT_TIMER && now_ms >= w->timer_ms)
		w->timer_ms = ZONE_FSM_NEVER; // it fires once
	e->random = draw(w);
	struct zone_fsm again = z;
	zone_fsm_step(&z, e, now_ms, &actions);
	for (unsigned i = 0; i < actions.count; i++)
		follow(w, e, &actions.list[i]);

	want(w, w->outstanding == (z.phase != ZONE_FSM_IDLE), "busy or idle");
	want(w, z.data == w->data, "what is published");
	want(w, z.data == ZONE_NOT_LOADED || z.soa.serial == w->serial, "the serial held");
	want(w, z.data != ZONE_SERVED || now_ms < z.expire_ms, "nothing is served past expiry");
	want(w, z.data != ZONE_SERVED || w->timer_ms <= z.expire_ms, "woken for expiry");
	want(w, z.phase != ZONE_FSM_IDLE || w->timer_ms <= z.next_ms, "woken for the next round");
	want(w, z.phase != ZONE_FSM_IDLE || w->timer_ms != ZONE_FSM_NEVER,
	     "never at rest for ever");
	// A pure function: the same again gives the same.
	struct zone_actions same;
	zone_fsm_step(&again, e, now_ms, &same);
	want(w, memcmp(&again, &z, sizeof(z)) == 0 && same.count == actions.count, "pure");
}

static struct zone_event random_event(struct walk *w)
{
	static const enum zone_event_kind kinds[] = {
		ZONE_EVENT_TIMER,      ZONE_EVENT_TIMER,      ZONE_EVENT_NOTIFY,
		ZONE_EVENT_SOA_ANSWER, ZONE_EVENT_SOA_ANSWER, ZONE_EVENT_SOA_FAILED,
		ZONE_EVENT_XFR_DONE,   ZONE_EVENT_XFR_DONE,   ZONE_EVENT_XFR_FAILED,
		ZONE_EVENT_REFRESH,    ZONE_EVENT_RETRANSFER, ZONE_EVENT_RELOAD,
		ZONE_EVENT_START,
	};
	struct zone_event e = {
		.kind = kinds[draw(w) % (sizeof(kinds) / sizeof(kinds[0]))],
		.exchange = w->exchange - (draw(w) % 8 == 0),
		.primary = draw(w) % 4,
		.has_serial = draw(w) % 2,
		.serial = w->serial + draw(w) % 3 - 1,
		.soa = { .serial = w->serial + draw(w) % 3 - 1,
			 .refresh_s = draw(w) % 200,
			 .retry_s = draw(w) % 100,
			 .expire_s = draw(w) % 2000 },
		.reason = draw(w) % 2 ? XFR_REASON_TIMEOUT : XFR_REASON_CONNECT,
		.resigned = draw(w) % 4 == 0,
		.has_expire = draw(w) % 4 == 0,
		.expire_s = draw(w) % 3000,
	};
	e.current = z.differences && !serial_newer(e.soa.serial, w->serial) && draw(w) % 2;
	if (draw(w) % 50 == 0)
		e.soa.serial = draw(w);
	return e;
}

// From wherever the walk has led, with primaries that work, the zone is served
// and current soon.
static void recover(struct walk *w)
{
	struct zone_event e = { .kind = ZONE_EVENT_RELOAD, .primary = 2 };
	uint32_t serial = w->serial + 1;
	walk_step(w, &e);
	for (int i = 0; i < 20 && w->outstanding; i++) {
		now_ms += 10;
		e = (struct zone_event){
			.kind = w->transfer ? ZONE_EVENT_XFR_DONE : ZONE_EVENT_SOA_ANSWER,
			.exchange = w->exchange,
			.soa = soa_of(serial),
		};
		walk_step(w, &e);
	}
	want(w,
	     z.data == ZONE_SERVED && z.soa.serial == serial && z.phase == ZONE_FSM_IDLE &&
		     z.failures == 0,
	     "works again with working primaries");
}

static void random_walks(void)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct walk w = { .rng = seed * UINT64_C(0x9e3779b97f4a7c15),
				  .timer_ms = ZONE_FSM_NEVER };
		fresh(1 + seed % 3);
		struct zone_event e = { .kind = ZONE_EVENT_START };
		walk_step(&w, &e);
		for (int i = 0; i < 500 && !w.broken; i++) {
			if (draw(&w) % 4 == 0 && w.timer_ms != ZONE_FSM_NEVER) {
				now_ms = w.timer_ms > now_ms ? w.timer_ms : now_ms;
				e = (struct zone_event){ .kind = ZONE_EVENT_TIMER };
			} else {
				// Never past the timer, which a caller would not miss either.
				uint64_t later_ms = now_ms + draw(&w) % 5000;
				now_ms = later_ms < w.timer_ms ? later_ms : now_ms;
				e = random_event(&w);
			}
			walk_step(&w, &e);
		}
		if (!w.broken)
			recover(&w);
		if (w.broken) {
			printf("seed %" PRIu64 ": not so: %s\n", seed, w.broken);
			CU_FAIL("an invariant does not hold");
			return;
		}
	}
}

// Every sequence of five events from a small alphabet, with one primary and two.
static void exhaustive_walks(void)
{
	enum { ALPHABET = 11, LENGTH = 5 };
	unsigned total = 1;
	for (int i = 0; i < LENGTH; i++)
		total *= ALPHABET;
	for (unsigned code = 0; code < 2 * total; code++) {
		struct walk w = { .rng = 1, .timer_ms = ZONE_FSM_NEVER };
		fresh(1 + code / total);
		struct zone_event e = { .kind = ZONE_EVENT_START };
		walk_step(&w, &e);
		unsigned rest = code % total;
		for (int i = 0; i < LENGTH; i++, rest /= ALPHABET) {
			unsigned letter = rest % ALPHABET;
			e = (struct zone_event){ .kind = letter < 10 ? (enum zone_event_kind)letter
								     : ZONE_EVENT_SOA_ANSWER,
						 .exchange = w.exchange,
						 .primary = 1,
						 .soa = soa_of(w.serial + (letter == 10 ? 1 : 0)) };
			if (e.kind == ZONE_EVENT_XFR_DONE)
				e.soa.serial++;
			if (e.kind == ZONE_EVENT_TIMER && w.timer_ms != ZONE_FSM_NEVER)
				now_ms = w.timer_ms;
			walk_step(&w, &e);
		}
		recover(&w);
		if (w.broken) {
			printf("walk %u: not so: %s\n", code, w.broken);
			CU_FAIL("an invariant does not hold");
			return;
		}
	}
}

static void texts(void)
{
	CU_ASSERT_STRING_EQUAL(zone_fsm_phase_text(ZONE_FSM_IDLE), "idle");
	CU_ASSERT_STRING_EQUAL(zone_fsm_phase_text(ZONE_FSM_ASKING), "asking");
	CU_ASSERT_STRING_EQUAL(zone_fsm_phase_text(ZONE_FSM_TRANSFER), "transferring");
	for (int r = 0; r < XFR_REASON_COUNT; r++) {
		CU_ASSERT_PTR_NOT_NULL(xfr_reason_word(r));
		CU_ASSERT_PTR_NOT_NULL(xfr_reason_text(r));
	}
}

// Our serial, with later signatures that are worth a transfer.
static const char *answered_resigned(uint32_t serial)
{
	return step((struct zone_event){ .kind = ZONE_EVENT_SOA_ANSWER,
					 .exchange = z.exchange,
					 .soa = soa_of(serial),
					 .resigned = true });
}

static void signed_anew(void)
{
	loaded(2);
	now_ms = S(100);
	happens(ZONE_EVENT_TIMER);
	CU_ASSERT_STRING_EQUAL(answered_resigned(1), "axfr 0, timer 1100"); // ours is confirmed
	// What it brings is published, and hides no newer serial.
	now_ms = S(101);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 1), "publish, ask 1, timer 1101");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "ixfr 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 2), "publish, timer 201");
	// The last of the round; a NOTIFY meanwhile leads to another one.
	happens(ZONE_EVENT_REFRESH);
	answered(ZONE_EVENT_SOA_ANSWER, 2);
	CU_ASSERT_STRING_EQUAL(answered_resigned(2), "axfr 1");
	CU_ASSERT_STRING_EQUAL(notified(0), "");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 2), "publish, timer 101");
	CU_ASSERT_EQUAL(z.failures, 0);
}

static void signed_anew_and_something_else_comes(void)
{
	// A newer serial, meanwhile.
	loaded(2);
	happens(ZONE_EVENT_REFRESH);
	answered_resigned(1);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 2), "publish, timer 100");
	// An older one: not what was wanted, and no harm.
	happens(ZONE_EVENT_REFRESH);
	answered_resigned(2);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 1), "ask 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "timer 100");
	CU_ASSERT_EQUAL(z.failures, 0);
	// Nothing: as with a newer serial that is not to be had, retry counts.
	happens(ZONE_EVENT_REFRESH);
	answered_resigned(2);
	CU_ASSERT_STRING_EQUAL(failed(ZONE_EVENT_XFR_FAILED), "ask 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 2), "timer 10");
	CU_ASSERT_EQUAL(z.failures, 1);
	// An IXFR after it takes no equal serial.
	happens(ZONE_EVENT_REFRESH);
	answered_resigned(2);
	failed(ZONE_EVENT_XFR_FAILED);
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_SOA_ANSWER, 3), "ixfr 1");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 2), "timer 10");
	// The operator's transfer is enough.
	loaded(1);
	happens(ZONE_EVENT_REFRESH);
	answered_resigned(1);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_RETRANSFER), "cancel 0, axfr 0");
	CU_ASSERT_STRING_EQUAL(answered(ZONE_EVENT_XFR_DONE, 1), "publish, timer 100");
}

static void frozen(void)
{
	loaded(1);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_FREEZE), "timer 1000");
	CU_ASSERT_STRING_EQUAL(notified_of(0, 2), "");
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_REFRESH), "");
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_THAW), "ixfr 0");
	// Nothing has come meanwhile: the timer goes on.
	loaded(1);
	happens(ZONE_EVENT_FREEZE);
	now_ms = S(50);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_THAW), "timer 100");
	// In the middle of something; it expires all the same.
	loaded(1);
	happens(ZONE_EVENT_REFRESH);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_FREEZE), "cancel 0");
	now_ms = S(1000);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_TIMER), "expired, timer -");
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_THAW), "ask 0");
	// Before the first transfer.
	fresh(1);
	happens(ZONE_EVENT_FREEZE);
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_START), "");
	CU_ASSERT_STRING_EQUAL(happens(ZONE_EVENT_THAW), "axfr 0");
}

UNIT_MAIN("zone_fsm", { "first transfer", first_transfer },
	  { "first transfer tries all, backs off", first_transfer_tries_all_and_backs_off },
	  { "refresh, unchanged", refresh_unchanged }, { "refresh, newer", refresh_newer },
	  { "serials wrap", serial_wraps }, { "all primaries are asked", all_primaries_are_asked },
	  { "older is no confirmation", older_is_no_confirmation },
	  { "a failed transfer goes to the next", failed_transfer_goes_to_the_next },
	  { "an unanswered transfer goes to the next", unanswered_transfer_goes_to_the_next },
	  { "memory is short", memory_is_short },
	  { "a transfer never goes back", transfer_never_goes_back },
	  { "expiry and recovery", expiry_and_recovery },
	  { "expiry at its time", expiry_at_its_time },
	  { "confirmation at expiry", confirmation_at_expiry }, { "NOTIFY when idle", notify_idle },
	  { "NOTIFY during a transfer", notify_during_a_transfer },
	  { "NOTIFY, then failure", notify_after_failure }, { "retransfer", retransfer },
	  { "retransfer beside one that lags", retransfer_beside_one_that_lags },
	  { "reload", reload }, { "frozen", frozen }, { "no primaries", no_primaries },
	  { "limits", limits }, { "limits change", limits_change }, { "jitter", jitter },
	  { "IXFR falls back to AXFR", ixfr_falls_back },
	  { "a primary without IXFR", primary_without_ixfr },
	  { "NOTIFY ahead of the serial", notify_ahead },
	  { "NOTIFYs of rising serials", notifies_that_rise },
	  { "older serial, accepted", older_accepted },
	  { "older serial beside a newer", older_beside_a_newer },
	  { "older serial, refused", older_refused_for_ever },
	  { "serial 0, refused", serial_zero_refused },
	  { "short refresh, lengthened", short_refresh_lengthened },
	  { "EXPIRE of the primary", expire_of_the_primary }, { "restored", restored },
	  { "signed anew", signed_anew },
	  { "signed anew, and something else comes", signed_anew_and_something_else_comes },
	  { "random walks", random_walks }, { "exhaustive walks", exhaustive_walks },
	  { "texts", texts })
