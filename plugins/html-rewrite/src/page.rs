//! One page on its way through: a transform around the streaming rewriter.

use crate::rules::Rules;
use gatewright::Transform;
use lol_html::html_content::Element;
use lol_html::{ElementContentHandlers, HtmlRewriter, MemorySettings, OutputSink, Settings};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Bytes that the rewriter may hold back of one page. What needs more, such as an attribute without
/// an end, passes as it came from there on.
const MAX_HELD: usize = 64 * 1024;

/// How much is parsed at once while the end of all work may be near.
const STEP: usize = 512;

/// A page.
pub(crate) struct Page {
    /// None once there is nothing more to do, or nothing more can be done.
    rewriter: Option<HtmlRewriter<'static, Sink>>,
    out: Rc<RefCell<Vec<u8>>>,
    /// Groups that have not acted yet.
    left: Rc<Cell<usize>>,
    can_be_done: bool,
}

struct Sink(Rc<RefCell<Vec<u8>>>);

impl OutputSink for Sink {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.borrow_mut().extend_from_slice(chunk);
    }
}

impl Page {
    pub(crate) fn new(rules: &Rc<Rules>) -> Self {
        let out = Rc::new(RefCell::new(Vec::new()));
        let left = Rc::new(Cell::new(rules.groups));
        let acted: Rc<[Cell<bool>]> = (0..rules.groups).map(|_| Cell::new(false)).collect();
        let memory = MemorySettings::new()
            .with_preallocated_parsing_buffer_size(0)
            .with_max_allowed_memory_usage(MAX_HELD)
            .with_graceful_bail_out_on_memory_limit_exceeded(true);
        // Not strict: a page that is ambiguous is to be edited as well as it can be, not cut off.
        let mut settings = Settings::new()
            .with_strict(false)
            .with_memory_settings(memory);
        for (index, rule) in rules.rules.iter().enumerate() {
            let (rules, acted, left) = (Rc::clone(rules), Rc::clone(&acted), Rc::clone(&left));
            let act = move |element: &mut Element<'_, '_>| {
                let Some(rule) = rules.rules.get(index) else {
                    return Ok(());
                };
                let acted = rule.group.and_then(|group| acted.get(group));
                if acted.is_some_and(Cell::get) {
                    return Ok(());
                }
                if rule.action.run(element)
                    && let Some(acted) = acted
                {
                    acted.set(true);
                    left.set(left.get().saturating_sub(1));
                }
                Ok(())
            };
            let handlers = ElementContentHandlers::default().element(act);
            settings = settings
                .append_element_content_handler((Cow::Owned(rule.selector.clone()), handlers));
        }
        Self {
            rewriter: Some(HtmlRewriter::new(settings, Sink(Rc::clone(&out)))),
            out,
            left,
            can_be_done: rules.can_be_done(),
        }
    }

    fn is_done(&self) -> bool {
        self.can_be_done && self.left.get() == 0
    }

    fn finish(&mut self) {
        if let Some(rewriter) = self.rewriter.take()
            && rewriter.end().is_err()
        {
            gatewright::log::warn!("html-rewrite: the page's end stays as it is");
        }
    }
}

impl Transform for Page {
    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let step = if self.can_be_done { STEP } else { chunk.len() };
        for part in chunk.chunks(step.max(1)) {
            let Some(rewriter) = &mut self.rewriter else {
                self.out.borrow_mut().extend_from_slice(part);
                continue;
            };
            if rewriter.write(part).is_err() {
                // It has let go of all that it held, and must not be used again.
                gatewright::log::warn!("html-rewrite: the rest of the page stays as it is");
                self.rewriter = None;
            } else if self.is_done() {
                self.finish();
            }
        }
        out.append(&mut self.out.borrow_mut());
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.finish();
        out.append(&mut self.out.borrow_mut());
    }

    fn is_over(&self) -> bool {
        self.rewriter.is_none() && self.out.borrow().is_empty()
    }
}
