-- One child in several districts of one ILS: who a link is about beside its number, in short form (core's Who::short), of
-- keyed digests. Filled from the digests that are there when a store of an older schema is opened.

alter table link_detail add column who integer;
create index link_detail_who on link_detail (who) where who is not null;
