/* The life of an account, for spin to exhaust: device log, revocation with rotation, pairing and recovery, among three
 * devices and an evil server (SECURITY 2.6, 2.7, 2.12, 2.14, 2.16).
 *
 * Cryptography is perfect here: a signature is the name of its signer, a key is the number of the link that made it,
 * and who holds a key is a set. What is modelled is who may do what, who believes what, and who then can read what.
 *
 * Devices 0 and 1 are honest. Device 2 joins by pairing; it may be stolen at any time, and the thief then has all that
 * it ever had, colludes with the server, signs what it likes and never forgets a key. The server keeps a tree of links,
 * not a chain: it may take any link from anybody, show any device any link or none, fork, withhold, and show an old
 * state. Each link is built on what its author believes.
 *
 * Claims, each an assert below:
 *   shown       a device takes a link only on top of its own head, from a signer who is active there (no rollback, no
 *               fork within one device's view, no ghost device)
 *   readable    what a device writes, whose log says that 2 is revoked, opens with no key that the thief ever had
 *   split       two devices whose logs differ never take each other's writing unnoticed
 *   paired      a device gets into the log only with the key that it made itself
 *   recovered   a recovery that adds a device was asked for by the owner, and ends every device that he names lost
 *
 * Each BREAK_… leaves out one rule; spin must then find an error (tests/model/exhaust.py runs both ways). */

#ifndef LINKS
#define LINKS 6          /* of the tree, genesis included */
#endif
#define AIK 6            /* as a signer */
#define THIEF 3          /* as a holder of keys, and as a device that nobody approved */
#define HAS(set, who) (((set) >> (who)) & 1)
#define ONE(who) (1 << (who))

/* A link: who signed it, on what it stands, and what holds behind it. */
typedef Link {
    byte by;
    byte prev;
    byte members;        /* set of devices that are active */
    byte revoked;        /* set of devices that no longer are */
    byte key;            /* the link that made the root key in force */
};
Link link[LINKS];
byte links = 1;          /* link 0: genesis, by the AIK: device 0 */

byte held[LINKS];        /* who holds the key that link i made: a set of devices and THIEF */
byte head[3];            /* what each device believes */
bool stolen = false;
bool inside[3];          /* the device has been given a log and keys */
bool aware = false;      /* the owner has asked for device 2's revocation */

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

byte walk;
bool found;

/* found: link `a` lies on the way from `b` to the genesis */
inline on_chain(a, b)
{
    walk = b;
    found = false;
    do
    :: walk == a -> found = true; break
    :: walk != a && walk != 0 -> walk = link[walk].prev
    :: walk != a && walk == 0 -> break
    od
}

/* What the thief knows grows with every key that is granted to a device that he has. */
inline grant(which, to)
{
    held[which] = held[which] | (to);
    if
    :: stolen && HAS(to, 2) -> held[which] = held[which] | ONE(THIEF)
    :: else
    fi
}

inline append(signer, on, now_members, rotates)
{
    link[links].by = signer;
    link[links].prev = on;
    link[links].members = now_members;
    link[links].revoked = link[on].revoked | (link[on].members & ~(now_members));
    if
    :: rotates -> link[links].key = links; grant(links, now_members)
    :: else ->
        link[links].key = link[on].key;
        if                                                       /* nobody can grant what he does not have */
        :: (signer) == AIK || HAS(held[link[on].key], signer) -> grant(link[on].key, now_members)
        :: else
        fi
    fi
    links++
}

#ifdef BREAK_SIGNER
#define MAY_SIGN(who, on) true
#else
#define MAY_SIGN(who, on) ((who) == AIK || HAS(link[on].members, who))
#endif

/* Who is revoked with a stolen device: the devices that it let in, too. */
#ifdef BREAK_GUESTS
#define LOST ONE(2)
#else
#define LOST (ONE(2) | ONE(THIEF))
#endif

#ifdef BREAK_ROTATION
#define ROTATES false
#else
#define ROTATES true
#endif

/* ---- an honest device -------------------------------------------------------------------------------------------- */

/* The server shows a device some link: it is taken when it stands on the device's own head and its signer may sign. */
inline take(d, l)
{
    if
#ifdef BREAK_PIN
    :: MAY_SIGN(link[l].by, link[l].prev) ->
#else
    :: link[l].prev == head[d] && MAY_SIGN(link[l].by, link[l].prev) ->
#endif
        on_chain(head[d], l);
        assert(found);                                           /* shown: only ever forward */
        assert(link[l].by == AIK || HAS(link[link[l].prev].members, link[l].by)); /* shown: no ghost */
        head[d] = l
    :: else
    fi
}

/* A batch names its author's head, and is sealed under the key in force there. */
inline write_and_read(from, to)
{
    if
    :: HAS(link[head[from]].revoked, 2) && HAS(link[head[from]].members, from) ->
        assert(!HAS(held[link[head[from]].key], THIEF))         /* readable */
    :: else
    fi;
    /* The reader takes it when the author's head is on its own chain; when its own lies on the author's it waits for
     * the links, and else it is a fork and said aloud. */
    on_chain(head[from], head[to]);
    if
#ifdef BREAK_GOSSIP
    :: true -> on_chain(head[from], head[to]);
               if
               :: !found -> on_chain(head[to], head[from])
               :: else
               fi;
               assert(found)
#else
    :: found && HAS(link[head[to]].members, from) ->
        on_chain(head[from], head[to]);
        assert(found)                                            /* split */
    :: else
#endif
    fi
}

/* ---- pairing: device 2 joins ------------------------------------------------------------------------------------- */

/* The code on the new device's screen is seen by the owner's eyes; what goes through the mailbox is the server's to
 * change. Both screens show six digits made from all that was said; the owner compares them. */
inline pair(d)
{
    byte offered = 2, secret_seen = 1, digits_old, digits_new;
    if
    :: true                                                      /* the mailbox is honest */
    :: offered = THIEF                                           /* another device's key instead */
    fi;
    /* Without the secret from the screen the server cannot make the transcript fit: the digits differ. */
    digits_new = 2;
    digits_old = offered;
    if
#ifndef BREAK_DIGITS
    :: digits_old != digits_new -> skip                          /* refused */
#endif
    :: secret_seen &&
#ifdef BREAK_DIGITS
       true
#else
       digits_old == digits_new
#endif
       -> assert(offered == 2);                                  /* paired */
          append(d, head[d], link[head[d]].members | ONE(offered), false);
          head[d] = links - 1;
          inside[2] = true;
          head[2] = head[d]
    fi
}

active [2] proctype Honest()
{
    byte l;
    do
    /* the server shows a link, any */
    :: atomic { inside[_pid] && links > 1 ->
        select(l : 1 .. LINKS - 1);
        if
        :: l < links -> take(_pid, l)
        :: else
        fi;
        l = 0 }
    /* the owner pairs the new device, once */
    :: atomic { _pid == 0 && !inside[2] && links < LINKS && HAS(link[head[0]].members, 0) -> pair(0) }
    /* the owner, who misses a device, revokes it wherever he stands */
    :: atomic { inside[_pid] && aware && links < LINKS && HAS(link[head[_pid]].members, _pid) &&
                HAS(link[head[_pid]].members, 2) ->
        append(_pid, head[_pid], link[head[_pid]].members & ~LOST, ROTATES);
        head[_pid] = links - 1 }
    /* a plain rotation */
    :: atomic { inside[_pid] && links < LINKS && HAS(link[head[_pid]].members, _pid) ->
        append(_pid, head[_pid], link[head[_pid]].members, true);
        head[_pid] = links - 1 }
    :: atomic { inside[0] && inside[1] -> write_and_read(_pid, 1 - _pid) }
    od
}

/* ---- the thief, with the server ---------------------------------------------------------------------------------- */

active proctype Thief()
{
    byte on, k;
    do
    /* takes device 2, and all the keys that it has */
    :: atomic { inside[2] && !stolen ->
        stolen = true;
        k = 0;
        do
        :: k < LINKS -> if
                        :: HAS(held[k], 2) -> held[k] = held[k] | ONE(THIEF)
                        :: else
                        fi; k++
        :: k == LINKS -> break
        od;
        k = 0 }
    /* signs in its name, on any link there is: adds a device of his, or takes an honest one out */
    :: atomic { stolen && links < LINKS ->
        select(on : 0 .. LINKS - 1);
        if
        :: on < links -> if
            :: append(2, on, link[on].members | ONE(THIEF), false)
            :: append(2, on, link[on].members & ~ONE(1), true); held[links - 1] = held[links - 1] | ONE(THIEF)
            fi
        :: else
        fi;
        on = 0 }
    od
}

/* ---- recovery ---------------------------------------------------------------------------------------------------- */

/* Two of three contacts open the recovery box, and so the AIK. Each compares a code with the person who asks, by voice;
 * the request may be the thief's. */
active proctype Recovery()
{
    byte shares = 0, asked_by, contact;
    bool done = false;

    do
    :: atomic { !done && links < LINKS && aware ->
        if
        :: asked_by = 1                                          /* the owner, on device 1, all else lost */
        :: asked_by = THIEF
        fi;
        shares = 0;
        contact = 0;
        do
        :: contact < 3 ->
            if
            :: skip                                              /* not within reach */
#ifdef BREAK_CONTACT
            :: shares++
#else
            :: asked_by == 1 -> shares++                         /* the code fits, so it is the owner */
#endif
            fi;
            contact++
        :: contact == 3 -> break
        od;
        if
        :: shares >= 2 ->
            assert(asked_by == 1);                               /* recovered */
            append(AIK, head[1], (link[head[1]].members | ONE(1)) & ~LOST, ROTATES);
            head[1] = links - 1;
            assert(!HAS(link[head[1]].members, 2));
            done = true
        :: else
        fi;
        shares = 0;
        contact = 0;
        asked_by = 0 }
    :: atomic { stolen && !aware -> aware = true }
    od
}

init
{
    atomic {
        link[0].by = AIK;
        link[0].prev = 0;
        link[0].key = 0;
        link[0].members = ONE(0) | ONE(1);
        held[0] = ONE(0) | ONE(1);
        inside[0] = true;
        inside[1] = true
    }
}
