/* The life of a shared journal, for spin to exhaust: its log, as two devices of the owner, a member who reads, and one
 * who is taken out see it, through an evil server (SECURITY 2.13, docs/spec/sharing.md).
 *
 * Cryptography is perfect here: a signature is the name of its signer, a key is the number of the link that made it,
 * and who holds a key is a set. The server keeps a tree of links: it shows any device any link or none, hides, replays and
 * forks. Each link is built on what its author believes; the honest server takes one on its newest alone, this one all.
 *
 *     keys     0, 1 owner's devices; 2 the reader's; 3 the writer's, whom the owner takes out and may let in again
 *     3        is evil from the beginning: it never forgets a key, helps the server, and signs what it likes
 *
 * CREATE is link 0. A link is one of
 *     ADD      lets key 3 in (again: under a new name, 4), and gives it the root key of now
 *     REMOVE   takes out who is named, and steps the root key, which only those who stay are given
 *     ROTATE   steps it and takes out nobody
 *     CLOSE    takes out everybody but the owner; nobody is let in on top of it
 *
 * Claims, each an assert:
 *     forward   a device takes a link only on top of its own head, signed by who may
 *     ghost     nobody is in whom an owner did not let in
 *     readable  what is written by somebody who knows that an owner took somebody out opens with no key that they had
 *               under that name; they come in again under another name alone. (Who leaves by a link of their own makes
 *               the next key, and knows it: they are no more out than they want to be.)
 *     split     devices whose logs differ do not take each other's writing unnoticed
 *     one       of two changes on one link the honest part takes one, and the other is made again on top
 *
 * Each BREAK_… leaves out one rule; spin must then find an error (tests/model/exhaust.py). */

#ifndef LINKS
#define LINKS 4          /* of the tree, CREATE included */
#endif
#define KEYS 5           /* 0, 1 owner; 2 reader; 3 the one who goes; 4 the same person, let in again */
#define EVIL (ONE(3) | ONE(4))
#define OWNERS (ONE(0) | ONE(1))
#define HAS(set, who) (((set) >> (who)) & 1)
#define ONE(who) (1 << (who))

typedef Link {
    byte by;
    byte prev;
    byte members;
    byte gone;           /* everybody who was taken out on the way here, or left */
    byte out;            /* those of them whom an owner took out */
    byte key;            /* the link that made the root key in force */
    bool closed;
};
Link link[LINKS];
byte links = 1;
byte held[LINKS];        /* who holds the root key that link i made */
byte head[3];            /* what the three honest devices believe */
bool begun = false;

byte walk;
bool found;

/* found: link `a` lies on the way from `b` to the first */
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

/* Who may sign what: an owner anything; a member's key takes out its own person and lets in nobody with more. */
#ifdef BREAK_SIGNER
#define MAY_SIGN(l) true
#else
#define MAY_SIGN(l) (HAS(link[link[l].prev].members, link[l].by) && \
    (HAS(OWNERS, link[l].by) || \
     ((link[l].members & ~link[link[l].prev].members) == 0 && \
      ((link[link[l].prev].members & ~link[l].members) & ~ONE(link[l].by)) == 0)))
#endif
#ifdef BREAK_CLOSE
#define MAY_ADD(on) true
#else
#define MAY_ADD(on) (!link[on].closed)
#endif
#ifdef BREAK_ROTATION
#define ROTATES false
#else
#define ROTATES true
#endif
/* A name that was in the log before never comes in again: an old certificate would bring an old key. */
#ifdef BREAK_NAME
#define NEWCOMER(on) 3
#else
#define NEWCOMER(on) (HAS(link[on].gone, 3) -> 4 : 3)
#endif

inline append(signer, on, now_members, rotates, closes)
{
    link[links].by = signer;
    link[links].prev = on;
    link[links].members = now_members;
    link[links].gone = link[on].gone | (link[on].members & ~(now_members));
    link[links].out = link[on].out | (HAS(OWNERS, signer) -> link[on].members & ~(now_members) : 0);
    link[links].closed = link[on].closed || closes;
    if
    :: rotates -> link[links].key = links; held[links] = now_members
    :: else -> link[links].key = link[on].key;
               if
               :: HAS(held[link[on].key], signer) -> held[link[on].key] = held[link[on].key] | now_members
               :: else
               fi
    fi;
    links++
}

inline take(d, l)
{
    if
#ifdef BREAK_PIN
    :: MAY_SIGN(l) ->
#else
    :: link[l].prev == head[d] && MAY_SIGN(l) ->
#endif
        on_chain(head[d], l);
        assert(found);                                                     /* forward */
        assert(((link[l].members & ~link[link[l].prev].members) == 0) || HAS(OWNERS, link[l].by)); /* ghost */
        assert(!(link[link[l].prev].closed && (link[l].members & ~link[link[l].prev].members)));   /* ghost */
        head[d] = l
    :: else
    fi
}

/* A batch names its author's head, and is sealed under the key in force there. */
inline write_and_read(from, to)
{
    assert((held[link[head[from]].key] & link[head[from]].out) == 0);      /* readable */
    assert((link[head[from]].members & link[head[from]].gone) == 0);       /* readable: under a new name */
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
        assert(found)                                                      /* split */
    :: else
#endif
    fi
}

/* A change by an owner's device, on what it believes. The server may have another link there already: an honest one
 * refuses, and the device takes that one first; the evil one takes both, and each device stays on its own. */
inline change(d, stay, steps, shuts)
{
    append(d, head[d], stay, steps, shuts);
    take(d, links - 1);
#ifndef BREAK_SIGNER
    assert(head[d] == links - 1)                                           /* one: it is what it says of itself */
#endif
}

active [3] proctype Honest()
{
    byte l;
    begun;
    do
    :: atomic { links > 1 ->
        select(l : 1 .. LINKS - 1);
        if
        :: l < links -> take(_pid, l)
        :: else
        fi;
        l = 0 }
    :: atomic { _pid < 2 && links < LINKS && MAY_ADD(head[_pid]) && !(link[head[_pid]].members & EVIL) ->
        change(_pid, link[head[_pid]].members | ONE(NEWCOMER(head[_pid])), false, false) }   /* ADD */
    :: atomic { _pid < 2 && links < LINKS && (link[head[_pid]].members & EVIL) ->
        change(_pid, link[head[_pid]].members & ~EVIL, ROTATES, false) }                     /* REMOVE */
    :: atomic { _pid < 2 && links < LINKS -> change(_pid, link[head[_pid]].members, true, false) } /* ROTATE */
    :: atomic { _pid < 2 && links < LINKS && !link[head[_pid]].closed ->
        change(_pid, OWNERS, ROTATES, true) }                                                /* CLOSE */
    :: atomic { true -> write_and_read(_pid, (_pid + 1) % 3) }
    :: atomic { true -> write_and_read(_pid, (_pid + 2) % 3) }
    od
}

/* The one who goes, with the server: on any link there is, in either name, lets itself in, takes an owner out, or steps
 * the key and keeps it. */
active proctype Evil()
{
    byte on, name;
    begun;
    do
    :: atomic { links < LINKS ->
        select(on : 0 .. LINKS - 1);
        select(name : 3 .. 4);
        if
        :: on < links -> if
            :: append(name, on, link[on].members | ONE(name), false, false)
            :: append(name, on, link[on].members & ~ONE(1), true, false); held[links - 1] = held[links - 1] | EVIL
            :: append(name, on, link[on].members & ~ONE(name), true, false);
               held[links - 1] = held[links - 1] | ONE(name)
            fi
        :: else
        fi;
        on = 0;
        name = 0 }
    od
}

init
{
    atomic {
        link[0].members = OWNERS | ONE(2) | ONE(3);
        held[0] = link[0].members;
        begun = true
    }
}
